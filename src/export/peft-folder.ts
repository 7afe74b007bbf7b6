// The branches as a stock PEFT adapter for the original checkpoint: A and B of every adapted module in the
// names of the model in memory, the head whole. Read back as PEFT would apply it: ranks and scales out of the
// written file.
import type { Adapter } from '../dmlora/adapter.ts';
import { fusedLora, stackedLora, withLora, type LoraPair } from '../dmlora/stacked-lora.ts';
import { decodeFloats, encodeFloats, isFloatType } from '../formats/float-types.ts';
import { readPeftConfig, targetNames, writePeftConfig } from '../checkpoints/peft/config.ts';
import { readHeader, readTensorBytes, writeSafetensors, type TensorToWrite } from '../formats/safetensors.ts';
import { ndArray, sliceRows, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { peftModules, type PeftModule } from '../checkpoints/peft/names.ts';
import { slotsOf, type Architecture } from '../checkpoints/architecture.ts';
import { namedBy } from '../checkpoints/rename-tensors.ts';
import { joinedHead, splitHead, type Head } from '../checkpoints/heads.ts';
import { libraries } from '../checkpoints/libraries.ts';
import type { ExportedFile } from './export-types.ts';
import {
  heldModel,
  jsonFile,
  type ExportContext,
  type FormatWriter,
  type ReadBack,
} from './export-context.ts';
import { libraryForm } from './merged-folder.ts';

const prefix = 'base_model.model.';

/** The class of the original, with the names that it has in memory first. */
function baseArchitecture(context: ExportContext): Result<Architecture> {
  const library = libraries[context.source.config.library];
  const form = libraryForm(context, library);
  return form.ok ? ok(namedBy(form.value.architecture, library.names.memory)) : form;
}

/** The stacked pair of a module, fused where the module is; null without branches. */
function pairOf({ parts }: PeftModule, adapter: Adapter, out: number): LoraPair | null {
  const pairs = parts.map((linear) => {
    const module = adapter.modules.find(({ name }) => name === linear);
    return module === undefined || module.branches.length === 0 ? null : stackedLora(module);
  });
  if (pairs.every((pair) => pair === null)) return null;
  return pairs.length === 1 ? (pairs[0] ?? null) : fusedLora(pairs, out);
}

export const peftFolder: FormatWriter = {
  write(context) {
    const { source, adapter, dtype } = context;
    const base = baseArchitecture(context);
    if (!base.ok) return Promise.resolve(base);
    const { dialects, heads } = base.value;
    const type = dtype === 'source' ? 'F32' : dtype;
    const written = new Map<string, TensorToWrite>();
    const put = (name: string, { shape, data }: NdArray): void => {
      written.set(prefix + name, { dtype: type, shape, bytes: encodeFloats(data, type) });
    };
    const ranks = new Map<string, number>();
    for (const module of peftModules(source.model.config, present(dialects[0], 'names'))) {
      const pair = pairOf(module, adapter, source.model.config.dim);
      if (pair === null) continue;
      put(`${module.name}.lora_A.weight`, pair.A);
      put(`${module.name}.lora_B.weight`, pair.B);
      ranks.set(module.name, pair.A.shape[0] ?? 0);
    }
    for (const [part, head] of splitHead(adapter.head, heads.length).entries()) {
      put(`${heads[part] ?? ''}.weight`, head.weight);
      put(`${heads[part] ?? ''}.bias`, head.bias);
    }
    const names = slotsOf(base.value).map((slot) => slot.names[0] ?? '');
    const modules = names.filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -7));
    const text = writePeftConfig({
      baseClass: libraries[source.config.library].baseClass(source.checkpoint, source.config),
      baseModel: source.origin.hubId,
      revision: source.origin.revision,
      targetModules: targetNames([...ranks.keys()], modules),
      ranks,
      modulesToSave: heads,
    });
    return Promise.resolve(
      ok([
        { name: 'adapter_model.safetensors', blob: writeSafetensors(written) },
        jsonFile('adapter_config.json', text),
      ]),
    );
  },
  readBack,
};

async function readBack(context: ExportContext, files: readonly ExportedFile[]): Promise<Result<ReadBack>> {
  const { source } = context;
  const blobOf = (name: string): Blob =>
    present(
      files.find((file) => file.name === name),
      name,
    ).blob;
  const config = readPeftConfig(await blobOf('adapter_config.json').text());
  if (!config.ok) return config;
  const file = blobOf('adapter_model.safetensors');
  const header = await readHeader(file, 'adapter_model.safetensors');
  if (!header.ok) return header;
  const left = new Set(header.value.tensors.keys());
  const read = async (name: string): Promise<NdArray> => {
    const entry = present(header.value.tensors.get(prefix + name), name);
    left.delete(prefix + name);
    const dtype = isFloatType(entry.dtype) ? entry.dtype : 'F32';
    return ndArray(entry.shape, decodeFloats(await readTensorBytes(file, entry), dtype));
  };
  const base = baseArchitecture(context);
  if (!base.ok) return base;
  const dialect = present(base.value.dialects[0], 'names');
  const weights = new Map(source.model.weights);
  for (const { name, parts } of peftModules(source.model.config, dialect)) {
    if (!config.value.adapts(name)) continue;
    const [A, B] = [await read(`${name}.lora_A.weight`), await read(`${name}.lora_B.weight`)];
    if (A.shape[0] !== config.value.rankOf(name))
      return wrong(`${name} has rank ${A.shape[0] ?? 0}, the file says ${config.value.rankOf(name)}`);
    const rows = (B.shape[0] ?? 0) / parts.length;
    parts.forEach((linear, third) => {
      const weight = present(weights.get(`${linear}.weight`), linear);
      const part = sliceRows(B, third * rows, (third + 1) * rows);
      weights.set(`${linear}.weight`, withLora(weight, { A, B: part }, config.value.scaleOf(name)));
    });
  }
  const heads: Head[] = [];
  for (const name of base.value.heads)
    heads.push({ weight: await read(`${name}.weight`), bias: await read(`${name}.bias`) });
  const head = joinedHead(heads);
  if (left.size > 0) return wrong(`${[...left].slice(0, 3).join(', ')} would not be used`);
  return ok(heldModel({ ...source.model, weights }, head, source.preprocessing));
}

function wrong(detail: string): Result<never> {
  return fail({
    kind: 'bad-file',
    name: 'adapter_model.safetensors',
    why: 'config-invalid',
    detail: `${detail}.`,
  });
}
