// Choosing tiles from times that the test makes up: the fastest that computes the right thing wins, noise
// decides nothing, what is remembered is not measured again, and the span of time holds.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MatmulShape, MatmulTile } from '../shaders/matmul.ts';
import { chooseTiles, fastest, shapeKey, type Workbench } from './choose-tiles.ts';
import { tileName, tileSet } from './tile-set.ts';

const shapes: readonly MatmulShape[] = [
  { rows: 1576, inner: 192, columns: 192, parts: 1 },
  { rows: 1576, inner: 192, columns: 768, parts: 1 },
  { rows: 1576, inner: 192, columns: 192, parts: 3 },
];
const [preset] = tileSet as readonly [MatmulTile];
const candidates = { tiles: tileSet, preset: (): MatmulTile => preset };
const nothing = new Map<string, string>();
const ignore = { onProgress: (): void => undefined };

/** A bench where a product takes what `ms` says and each trial 10 times that. */
function fakeBench(ms: (shape: MatmulShape, tile: MatmulTile) => number | null): Workbench & {
  trials: [shape: string, tile: string][];
} {
  let clock = 0;
  const trials: [string, string][] = [];
  return {
    trials,
    now: () => clock,
    measure(shape, tiles, deadline) {
      const times = tiles.map((tile) => {
        if (clock > deadline) return null;
        trials.push([shapeKey(shape), tileName(tile)]);
        const time = ms(shape, tile);
        clock += 10 * (time ?? 1);
        return time;
      });
      return Promise.resolve(times);
    },
  };
}

test('every tile of the set has a name of its own', () => {
  expect(new Set(tileSet.map(tileName)).size).toBe(tileSet.length);
});

describe('the fastest', () => {
  test('is the least time among those that computed the right thing', () => {
    const times = fc.array(fc.option(fc.double({ min: 0.01, max: 100, noNaN: true })), {
      minLength: tileSet.length,
      maxLength: tileSet.length,
    });
    fc.assert(
      fc.property(times, (ms) => {
        const winner = fastest(tileSet, ms, preset);
        const known = ms.filter((time) => time !== null);
        if (winner === null) {
          expect(known).toEqual([]);
          return;
        }
        const time = ms[tileSet.indexOf(winner)];
        const best = Math.min(...known);
        expect(time === best || (winner === preset && best > (time ?? 0) * 0.97)).toBe(true);
      }),
    );
  });

  test('a tile that is 2 % faster than the preset does not replace it, one that is 4 % faster does', () => {
    const [a, b] = tileSet as readonly [MatmulTile, MatmulTile];
    expect(fastest([a, b], [1, 0.98], a)).toBe(a);
    expect(fastest([a, b], [1, 0.96], a)).toBe(b);
    expect(fastest([a, b], [null, 5], a)).toBe(b);
    expect(fastest([a, b], [NaN, null], a)).toBeNull();
  });
});

describe('choosing', () => {
  test('each shape gets its own winner; only the fastest few of the first go on to the others', async () => {
    const winnerOf = new Map(shapes.map((shape, i) => [shapeKey(shape), tileSet[i + 1]!]));
    const bench = fakeBench((shape, tile) =>
      tile === winnerOf.get(shapeKey(shape)) ? 0.5 : 1 + tileSet.indexOf(tile),
    );
    const { tiles, measured, cached } = await chooseTiles(shapes, candidates, nothing, bench, 1e6, ignore);
    expect(tiles).toEqual(winnerOf);
    expect(measured).toEqual(new Map([...winnerOf].map(([key, tile]) => [key, tileName(tile)])));
    expect(cached).toBe(false);
    // The most work first, which is fc1 here, with every tile.
    const first = bench.trials.filter(([key]) => key === bench.trials[0]![0]);
    expect(first.map(([, tile]) => tile)).toEqual(tileSet.map(tileName));
    expect(first[0]![0]).toBe(shapeKey(shapes[1]!));
    expect(bench.trials.length).toBeLessThanOrEqual(tileSet.length + 2 * 7);
  });

  test('what is remembered is not measured, and gives the same tiles as when it was measured', async () => {
    const bench = fakeBench((shape, tile) => 1 + ((tileSet.indexOf(tile) * 7 + shape.inner) % 5));
    const fresh = await chooseTiles(shapes, candidates, nothing, bench, 1e6, ignore);
    const idle = fakeBench(() => {
      throw new Error('nothing is to be measured');
    });
    const again = await chooseTiles(shapes, candidates, fresh.measured, idle, 1e6, ignore);
    expect(again.tiles).toEqual(fresh.tiles);
    expect(again.cached).toBe(true);
    expect(again.measured.size).toBe(0);
  });

  test('a name that the set no longer has is measured again', async () => {
    const old = new Map(shapes.map((shape) => [shapeKey(shape), 'workgroup 1x1']));
    const { measured } = await chooseTiles(
      shapes,
      candidates,
      old,
      fakeBench(() => 1),
      1e6,
      ignore,
    );
    expect(measured.size).toBe(shapes.length);
  });

  test('when the time is over, the other shapes take their preset and are not remembered', async () => {
    const winner = tileSet[1]!;
    const bench = fakeBench((_, tile) => (tile === winner ? 1 : 4));
    const { tiles, measured } = await chooseTiles(shapes, candidates, nothing, bench, 100, ignore);
    expect([...measured.keys()]).toEqual([shapeKey(shapes[1]!)]);
    for (const shape of shapes)
      expect(tiles.get(shapeKey(shape))).toBe(shape === shapes[1] ? winner : preset);
  });

  test('where no tile computes the right thing, the preset stays and nothing is remembered', async () => {
    const { tiles, measured } = await chooseTiles(
      shapes,
      candidates,
      nothing,
      fakeBench(() => null),
      1e6,
      ignore,
    );
    expect([...tiles.values()]).toEqual(shapes.map(() => preset));
    expect(measured.size).toBe(0);
  });
});

test('each shape has a preset of its own, which is tried even where the set lacks it', async () => {
  const own: MatmulTile = { memory: 'split', rowTile: 4, columnTile: 1, threads: [2, 2], shares: 2 };
  const presetOf = (shape: MatmulShape): MatmulTile => (shape === shapes[0] ? own : preset);
  const bench = fakeBench((_, tile) => (tileName(tile) === tileName(own) ? 1 : 2));
  const some = { tiles: tileSet, preset: presetOf };
  const fresh = await chooseTiles(shapes, some, nothing, bench, 1e6, ignore);
  expect(fresh.tiles.get(shapeKey(shapes[0]!))).toBe(own);
  expect(fresh.tiles.get(shapeKey(shapes[1]!))).toBe(preset);
  const again = await chooseTiles(
    shapes,
    some,
    fresh.measured,
    fakeBench(() => 1),
    1e6,
    ignore,
  );
  expect([again.tiles, again.cached]).toEqual([fresh.tiles, true]);
});

test('a stop is looked for before every shape, and what was measured until then stays', async () => {
  const stop = new AbortController();
  const bench = fakeBench(() => 1);
  const watch = {
    onProgress: (done: number): void => {
      if (done === 1) stop.abort();
    },
    signal: stop.signal,
  };
  const { measured, tiles } = await chooseTiles(shapes, candidates, nothing, bench, 1e6, watch);
  expect(new Set(bench.trials.map(([shape]) => shape)).size).toBe(1);
  expect(measured.size).toBe(1);
  expect(tiles.size).toBe(shapes.length);
});
