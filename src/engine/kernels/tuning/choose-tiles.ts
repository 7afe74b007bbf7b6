// Which tile each shape of matrix product gets, from what a workbench measures: what was remembered, then
// trials within a span of time. Knows no device and no clock of its own.
import type { MatmulShape, MatmulTile } from '../shaders/matmul.ts';
import { tileName } from './tile-set.ts';

export interface Workbench {
  /**
   * Milliseconds of one product in each tile; null for a tile that does not compile, that computes anything
   * else than the others, or that `deadline` (of `now`) or the signal left no time for.
   */
  measure(
    shape: MatmulShape,
    tiles: readonly MatmulTile[],
    deadline: number,
    signal?: AbortSignal,
  ): Promise<readonly (number | null)[]>;
  /** Milliseconds from any origin. */
  now(): number;
}

/** Who watches while tiles are chosen. */
export interface TuningWatch {
  readonly onProgress: (done: number, total: number) => void;
  /** Ends the measuring: what is not measured then takes the preset. */
  readonly signal?: AbortSignal | undefined;
}

export interface Choice {
  /** Tile of each shape that has one. */
  readonly tiles: ReadonlyMap<string, MatmulTile>;
  /** Those that were measured, by name: what is worth remembering. */
  readonly measured: ReadonlyMap<string, string>;
  /** True when every shape was known before. */
  readonly cached: boolean;
}

export interface Candidates {
  readonly tiles: readonly MatmulTile[];
  /** What a shape gets without measuring. */
  readonly preset: (shape: MatmulShape) => MatmulTile;
}

/** A tile must be so much faster than the preset to replace it: below, it is noise. */
const margin = 0.97;
/** Tiles that go on to the other shapes after all were tried on the largest. */
const shortList = 5;

export function shapeKey({ rows, inner, columns, parts }: MatmulShape): string {
  return `${rows}x${inner}x${columns}x${parts}`;
}

/**
 * The fastest tile, or the preset where nothing is clearly faster than it; null where nothing was measured.
 */
export function fastest(
  tiles: readonly MatmulTile[],
  ms: readonly (number | null)[],
  preset: MatmulTile,
): MatmulTile | null {
  const ranked = rank(tiles, ms);
  const [best] = ranked;
  if (best === undefined) return null;
  const own = ranked.find(({ tile }) => tileName(tile) === tileName(preset));
  return own !== undefined && best.ms > own.ms * margin ? own.tile : best.tile;
}

/** Without the second of equal tiles. */
function unique(tiles: readonly MatmulTile[]): readonly MatmulTile[] {
  return [...new Map(tiles.map((tile) => [tileName(tile), tile])).values()];
}

function rank(
  tiles: readonly MatmulTile[],
  ms: readonly (number | null)[],
): readonly { readonly tile: MatmulTile; readonly ms: number }[] {
  return tiles
    .flatMap((tile, i) => {
      const time = ms[i] ?? null;
      return time === null || !(time > 0) ? [] : [{ tile, ms: time }];
    })
    .sort((a, b) => a.ms - b.ms);
}

/**
 * Chooses for every shape, the most work first: all candidates on the first shape that is not remembered, the
 * fastest few and its own preset on each other. A shape that the time does not reach takes its preset and is
 * not remembered.
 */
export async function chooseTiles(
  shapes: readonly MatmulShape[],
  { tiles, preset }: Candidates,
  cached: ReadonlyMap<string, string>,
  bench: Workbench,
  budgetMs: number,
  { onProgress, signal }: TuningWatch,
): Promise<Choice> {
  const deadline = bench.now() + budgetMs;
  const chosen = new Map<string, MatmulTile>();
  const measured = new Map<string, string>();
  const open: MatmulShape[] = [];
  for (const shape of shapes) {
    const name = cached.get(shapeKey(shape));
    const known = [preset(shape), ...tiles].find((tile) => tileName(tile) === name);
    if (known === undefined) open.push(shape);
    else chosen.set(shapeKey(shape), known);
  }
  const work = ({ rows, inner, columns, parts }: MatmulShape): number => rows * inner * columns * parts;
  open.sort((a, b) => work(b) - work(a));
  let few: readonly MatmulTile[] = tiles;
  for (const [i, shape] of open.entries()) {
    onProgress(i, open.length);
    const own = preset(shape);
    const tried = unique([own, ...few]);
    const inTime = bench.now() < deadline && signal?.aborted !== true;
    const ms = inTime ? await bench.measure(shape, tried, deadline, signal) : [];
    const winner = fastest(tried, ms, own);
    if (winner !== null) {
      measured.set(shapeKey(shape), tileName(winner));
      if (few === tiles)
        few = rank(tried, ms)
          .slice(0, shortList)
          .map(({ tile }) => tile);
    }
    chosen.set(shapeKey(shape), winner ?? own);
  }
  onProgress(open.length, open.length);
  return { tiles: chosen, measured, cached: open.length === 0 };
}
