// Both libraries whose checkpoints Graft opens, and which of them wrote a config.json.
import { objectOf, parseJsonObject, type Json, type JsonObject } from '../formats/json.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Library } from './library.ts';
import type { LibraryName, ModelConfigFile } from './model-config.ts';
import { timm } from './timm/library.ts';
import { transformers } from './transformers/library.ts';

/** In the order in which they are asked: transformers’ wrapper of timm writes the keys of both. */
export const libraries: Readonly<Record<LibraryName, Library>> = { timm, transformers };

/** The library that gives tensors such names, by the naming's id; null for none, as of an ONNX graph. */
export function libraryOfNames(id: string): Library | null {
  const found = Object.values(libraries).find(({ names }) => names.files === id || names.memory === id);
  return found ?? null;
}

/** Reads a config.json; which library wrote it shows in its keys. */
export function parseModelConfig(text: string, name: string): Result<ModelConfigFile> {
  const parsed = parseJsonObject(text, name);
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const oblong = oblongOf(json);
  if (oblong !== null) return fail({ kind: 'bad-file', name, why: 'config-invalid', detail: oblong });
  for (const library of Object.values(libraries)) {
    const file = library.readConfig(json);
    if (file !== null) return ok(file);
  }
  return fail({
    kind: 'bad-file',
    name,
    why: 'config-invalid',
    detail: 'It names neither a model_type (transformers) nor an architecture (timm).',
  });
}

/**
 * The first field that states sides of two lengths: a fault by name, since nothing here computes oblong
 * images.
 */
function oblongOf(json: JsonObject): string | null {
  for (const object of [json, objectOf(json, 'vision_config'), objectOf(json, 'model_args')])
    for (const key of ['image_size', 'patch_size', 'img_size']) {
      const value = object?.get(key);
      if (Array.isArray(value) && value.some((side) => side !== (value as readonly Json[])[0]))
        return `Its ${key} is ${value.join(' x ')}: Graft takes square images and patches.`;
    }
  return null;
}
