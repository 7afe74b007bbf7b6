// One family through Graft: opened, its logits compared with the library's, fine-tuned, exported in every
// way, and what was not adapted compared bit for bit with the source.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { linears } from '../../../src/vit/parameters.ts';
import { readHeader, readTensorBytes, writeSafetensors } from '../../../src/formats/safetensors.ts';
import { encodeFloats } from '../../../src/formats/float-types.ts';
import type { NdArray } from '../../../src/shared/array.ts';
import { present } from '../../../src/shared/assert.ts';
import type { OpenModel } from '../../../src/checkpoints/open-model.ts';
import { normalisedPixels } from '../../../src/export/proof.ts';
import { exportAll } from './export.ts';
import { fineTune, logitsOfModel, ownHead, type FineTuned, type Way } from './fine-tune.ts';
import { floatsOf, largestDifference, openFolder, writeFiles } from './folder.ts';
import { unwrap } from '../../../src/shared/result.ts';

export interface FamilyReport {
  /** Largest |logit difference| to the library's own logits; null without a head or without those. */
  readonly read: number | null;
  /** Loss of the first and of the last step. */
  readonly losses: readonly [number, number];
  /**
   * Tensors of the source that the export in its names holds unchanged, and those that differ and should not.
   */
  readonly kept: number;
  readonly changed: readonly string[];
  /** Exports that were refused, with the reason. */
  readonly refused: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

/**
 * Runs one family.
 *
 * @param folder WORK/FAMILY; reads `source/` and writes `out/proof.safetensors` and a folder for each export
 * @param keepHead trains the checkpoint's own classes where it has a head
 * @param way what is trained; where some of it is the backbone's, no bit needs to be the source's
 */
export async function runFamily(
  folder: string,
  keepHead: boolean,
  way: Way = 'branches',
): Promise<FamilyReport> {
  const source = await openFolder(path.join(folder, 'source'));
  const file = path.join(folder, 'source/expected.safetensors');
  const expected = existsSync(file) ? await floatsOf(file) : new Map<string, NdArray>();
  const tensor = (name: string): NdArray => present(expected.get(name), name);
  const own = await ownHead(source);
  const head = expected.has('head.weight')
    ? { weight: tensor('head.weight'), bias: tensor('head.bias') }
    : own;
  // Positions for another size than the config states: the library's values are for one of them only.
  const isComparable =
    head !== null && expected.get('pixel_values')?.shape[2] === source.model.config.imageSize;
  const logits = isComparable ? await logitsOfModel(source, head, tensor('pixel_values')) : null;
  const tuned = await fineTune(source, keepHead && own !== null, 10, way);

  const out = path.join(folder, 'out');
  await mkdir(out, { recursive: true });
  await writeFiles(out, [{ name: 'proof.safetensors', blob: proofFile(source, tuned) }]);
  const refused: Record<string, string> = {};
  let unchanged: { kept: number; changed: string[] } = {
    kept: 0,
    changed: ['no export in the source names'],
  };
  for (const { name, files, refused: reason } of await exportAll(source, tuned)) {
    if (reason !== null) {
      refused[name] = reason;
      continue;
    }
    await writeFiles(path.join(out, name), files);
    const weights = files.find((file) => file.name === 'model.safetensors');
    if (name === 'source' && weights !== undefined) unchanged = await compareBytes(source, weights.blob);
  }
  return {
    read: logits === null ? null : largestDifference(logits.data, tensor('logits').data),
    losses: [tuned.losses[0] ?? NaN, tuned.losses.at(-1) ?? NaN],
    ...unchanged,
    refused,
    notes: source.summary.notes,
  };
}

/** Validation images as the network takes them, and the branched model's logits. */
function proofFile({ preprocessing, model }: OpenModel, { data, logits }: FineTuned): Blob {
  const images = data.validation.slice(0, data.validation.labels.length);
  const pixels = normalisedPixels(images, model.config.imageSize, preprocessing); // [n, 3, side, side]
  const stored = ({ shape, data: values }: NdArray) =>
    ({ dtype: 'F32', shape, bytes: encodeFloats(values, 'F32') }) as const;
  return writeSafetensors(
    new Map([
      ['pixel_values', stored(pixels)],
      ['logits', stored(logits)],
    ]),
  );
}

/**
 * Compares an export in the source's names with the source, byte by byte: only adapted linears and the head
 * may differ.
 */
async function compareBytes(source: OpenModel, weights: Blob): Promise<{ kept: number; changed: string[] }> {
  const after = unwrap(await readHeader(weights, 'model.safetensors')).tensors;
  const { locations } = source.checkpoint;
  const adapted = new Set<string>();
  for (let block = 0; block < source.model.config.depth; block++)
    for (const linear of linears) {
      const location = locations.get(`blocks.${block}.${linear}.weight`);
      if (location !== undefined) adapted.add(location.tensor);
    }
  // Positions for another size than the config states are interpolated: other numbers.
  const positions = locations.get('pos_embed');
  if (positions !== undefined && source.checkpoint.storedImageSize !== source.model.config.imageSize)
    adapted.add(positions.tensor);
  const isHead = /^(classifier|head|head_dist|cls_classifier|distillation_classifier)\.(weight|bias)$/;
  const changed: string[] = [];
  let kept = 0;
  for (const [name, entry] of source.header.tensors) {
    if (adapted.has(name) || isHead.test(name)) continue;
    // A tower alone becomes part of the library's classifier, where it has a prefix.
    const found = after.get(name) ?? after.get(`vision_model.${name}`);
    if (found === undefined) {
      if (source.checkpoint.unused.includes(name)) continue;
      changed.push(`${name} is missing`);
      continue;
    }
    const [a, b] = [await readTensorBytes(source.file, entry), await readTensorBytes(weights, found)];
    const same =
      found.dtype === entry.dtype &&
      found.shape.join() === entry.shape.join() &&
      Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;
    if (same) kept++;
    else changed.push(name);
  }
  return { kept, changed };
}
