// The head that a run starts from: the one that an adapter or a checkpoint brings for exactly the classes of
// the images, its rows in their order.
import type { Adapter } from '../dmlora/adapter.ts';
import { ndArray } from '../shared/array.ts';
import { ok, type Result } from '../shared/result.ts';
import { loadHead } from './checkpoint.ts';
import type { OpenModel } from './open-model.ts';

/**
 * The head of the adapter or else the checkpoint's own, whose classes are exactly those of the images; null
 * where there is none.
 */
export async function startingHead(
  { start, checkpoint, file, header }: OpenModel,
  classes: readonly string[],
): Promise<Result<Adapter['head'] | null>> {
  const brought = start?.head ?? null;
  const rowsOfBrought = rowsOf(brought?.labels ?? [], classes);
  if (brought !== null && rowsOfBrought !== null) return ok(withRows(brought, rowsOfBrought));
  const rows = rowsOf(checkpoint.head?.labels ?? [], classes);
  if (rows === null) return ok(null);
  const head = await loadHead(file, header, checkpoint);
  return !head.ok || head.value === null ? head : ok(withRows(head.value, rows));
}

/** Whether there is one. */
export function bringsHead({ start, checkpoint }: OpenModel, classes: readonly string[]): boolean {
  return [start?.head?.labels, checkpoint.head?.labels].some(
    (labels) => rowsOf(labels ?? [], classes) !== null,
  );
}

/** The place of each class of the images among a head's; null where these are others. */
function rowsOf(labels: readonly string[], classes: readonly string[]): readonly number[] | null {
  const rows = classes.map((name) => labels.indexOf(name));
  return labels.length !== classes.length || rows.includes(-1) ? null : rows;
}

function withRows({ weight, bias }: Adapter['head'], rows: readonly number[]): Adapter['head'] {
  const width = weight.shape[1] ?? 0;
  const reordered = new Float32Array(weight.data.length);
  rows.forEach((row, i) => reordered.set(weight.data.subarray(row * width, (row + 1) * width), i * width));
  const values = Float32Array.from(rows, (row) => bias.data[row] ?? 0);
  return { weight: ndArray(weight.shape, reordered), bias: ndArray(bias.shape, values) };
}
