// What both engines share of a look (engine.ts: Look): the tokens that it begins at, and one image after the
// other. Knows no device.
import { ndArray, type NdArray } from '../shared/array.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { tokenCount, type VitConfig } from '../vit/vit-config.ts';
import type { Look, Pixels } from './engine.ts';
import { sliceOf } from './pixels.ts';

/** The maps of one image, flat. */
export type LookRows = Readonly<Record<keyof Look, Float32Array>>;

/** Whether the head reads the class token, beside others or alone. */
export function readsClassToken({ pool }: VitConfig): boolean {
  return pool !== 'mean';
}

/** The weights of the tokens that a look begins at: 1 for the class token, or equal ones for those of the mean. */
export function startOf(config: VitConfig): Float32Array<ArrayBuffer> {
  const start = new Float32Array(tokenCount(config));
  if (readsClassToken(config)) start[0] = 1;
  else start.fill(1 / (start.length - config.meanFrom), config.meanFrom);
  return start;
}

/**
 * Looks at one image after the other.
 *
 * @param lookAt the maps of one image, whose relevance still has the start in it.
 */
export async function looksAt(
  config: VitConfig,
  pixels: Pixels,
  signal: AbortSignal | undefined,
  lookAt: (image: Pixels, start: Float32Array<ArrayBuffer>) => Promise<Result<LookRows>>,
): Promise<Result<Look>> {
  const values = 3 * config.imageSize ** 2;
  const images = pixels.data.length / values;
  const start = startOf(config);
  const tokens = start.length;
  const all: LookRows[] = [];
  for (let image = 0; image < images; image++) {
    if (signal?.aborted === true) return fail(cancelled('look'));
    const rows = await lookAt(sliceOf(pixels, image * values, (image + 1) * values), start);
    if (!rows.ok) return rows;
    const { attention, rollout, relevance } = rows.value;
    const own = relevance.map((value, token) => value - (start[token] ?? 0));
    for (const map of [attention, rollout, own])
      if (!map.every((value) => Number.isFinite(value)))
        return fail({ kind: 'not-finite', where: 'where it looks', step: 0 });
    all.push({ attention, rollout, relevance: own });
  }
  const joined = (map: keyof Look, shape: readonly number[]): NdArray => {
    const data = new Float32Array(images * shape.reduce((product, length) => product * length, 1));
    all.forEach((rows, image) => data.set(rows[map], (image * data.length) / images));
    return ndArray([images, ...shape], data);
  };
  return ok({
    attention: joined('attention', [config.heads, tokens]),
    rollout: joined('rollout', [tokens]),
    relevance: joined('relevance', [tokens]),
  });
}
