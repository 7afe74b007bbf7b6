// Tuning as a whole, with made-up times on a device that computes nothing: what is measured, remembered and
// told.
import { describe, expect, test } from 'vitest';
import type { Gpu } from '../../gpu.ts';
import { KernelEngine } from '../kernels-engine.ts';
import { countingGpu } from '../../checks/counting-device.ts';
import { plainNormalisation, randomAdapter, randomModel, tiny } from '../../checks/random-model.ts';
import { gpuTuning, processorTuning } from './tuning.ts';
import type { Attention } from '../shaders/attention.ts';
import type { MatmulShape } from '../shaders/matmul.ts';
import { autotune, measuredShapes, type Workbenches } from './autotune.ts';
import { shapeKey, type Workbench } from './choose-tiles.ts';
import { fits, tileName, tileSet } from './tile-set.ts';
import { sessionCache, type TuningCache } from './tuning-cache.ts';

const gpu: Gpu = countingGpu({});
const ignore = { onProgress: (): void => undefined };

function fakeBench(best: string): Workbench & { trials: number } {
  const bench = {
    trials: 0,
    now: () => 0,
    measure(_: MatmulShape, tiles: Parameters<Workbench['measure']>[1]) {
      bench.trials += tiles.length;
      return Promise.resolve(tiles.map((tile) => (tileName(tile) === best ? 1 : 2)));
    },
  };
  return bench;
}

/** Attention where this many threads a row take half the time. */
function fakeBenches(tile: string, split = 2): Workbenches & { readonly products: { trials: number } } {
  const attention = {
    measure: (shapes: readonly Attention[]) =>
      Promise.resolve(
        shapes.map((one) =>
          one.split === split ? { forward: 1, backward: 1 } : { forward: 2, backward: 2 },
        ),
      ),
  };
  return { products: fakeBench(tile), attention };
}

const lanes = (subgroupMinSize: number): GPUAdapterInfo => ({ subgroupMinSize }) as GPUAdapterInfo;

const best = tileName(tileSet[4]!);

describe('tuning', () => {
  test('measures once, remembers for the adapter, and gives the same tiles from memory', async () => {
    const memory = sessionCache();
    const first = await autotune(gpu, tiny, 8, memory, ignore, fakeBenches(best));
    expect(first.record.source).toBe('measured');
    expect(new Set(Object.values(first.record.tiles))).toEqual(new Set([best]));
    // The counting device has no subgroups.
    expect(first.tuning.attentionSplit).toEqual([1, 1]);
    const idle = fakeBenches(tileName(tileSet[0]!));
    const second = await autotune(gpu, tiny, 8, memory, ignore, idle);
    expect(second.record).toMatchObject({ source: 'remembered', tiles: first.record.tiles });
    expect(idle.products.trials).toBe(0);
    for (const shape of measuredShapes(tiny, 8))
      expect(second.tuning.matmulTile(shape)).toEqual(first.tuning.matmulTile(shape));
    const other = await autotune({ ...gpu, name: 'another' }, tiny, 8, memory, ignore, fakeBenches(best));
    expect(other.record.source).toBe('measured');
  });

  test.each(['{', 'null', '7', '{"counting; tiles 2": 3}', '{"counting; tiles 2": {"x": 4}}'])(
    'a memory that holds %s counts as empty',
    async (text) => {
      let kept = text;
      const memory: TuningCache = {
        read: () => Promise.resolve(kept),
        write: (next) => {
          kept = next;
          return Promise.resolve();
        },
      };
      const { record } = await autotune(gpu, tiny, 8, memory, ignore, fakeBenches(best));
      expect(record.source).toBe('measured');
      expect(kept).toContain(best);
    },
  );

  test('nothing is measured on an emulated GPU, nor for a handful of rows', async () => {
    const bench = fakeBenches(best);
    const emulated = await autotune({ ...gpu, software: true }, tiny, 8, sessionCache(), ignore, bench);
    expect(emulated).toEqual({ tuning: processorTuning, record: { source: 'preset', tiles: {}, ms: 0 } });
    const small = { ...tiny, imageSize: 32 };
    expect((await autotune(gpu, small, 1, sessionCache(), ignore, bench)).tuning).toBe(gpuTuning);
    expect(bench.products.trials).toBe(0);
  });

  test('threads that share rows of attention are measured where there are subgroups, and remembered', async () => {
    const facts = { ...gpu.facts, features: ['subgroups'] };
    const able = { ...gpu, name: 'able', facts, info: lanes(32) };
    const memory = sessionCache();
    const first = await autotune(able, tiny, 8, memory, ignore, fakeBenches(best, 8));
    expect(first.tuning.attentionSplit).toEqual([8, 8]);
    expect(first.record.tiles).toMatchObject({
      'attention forward, 8 x 197 tokens, 3 x 64': '8 threads a row',
    });
    const again = await autotune(able, tiny, 8, memory, ignore, fakeBenches(best, 2));
    expect([again.tuning.attentionSplit, again.record.source]).toEqual([[8, 8], 'remembered']);
    // Four lanes cannot be eight threads of a row; what is wrong or finds no time leaves the preset.
    const narrow = { ...able, name: 'narrow', info: lanes(4) };
    const four = await autotune(narrow, tiny, 8, sessionCache(), ignore, fakeBenches(best, 8));
    expect(four.tuning.attentionSplit).toEqual([4, 4]);
    const wrong = { measure: (shapes: readonly Attention[]) => Promise.resolve(shapes.map(() => none)) };
    const none = { forward: null, backward: null };
    const kept = await autotune({ ...able, name: 'wrong' }, tiny, 8, sessionCache(), ignore, {
      ...fakeBenches(best),
      attention: wrong,
    });
    expect(kept.tuning.attentionSplit).toEqual([4, 4]);
  });

  test('tiles beyond the limits of the device are not tried', () => {
    const facts = { ...gpu.facts, workgroupMemoryBytes: 16384, workgroupThreads: 128 };
    const names = tileSet.filter((tile) => fits(tile, facts)).map(tileName);
    expect(names).not.toContain('workgroup 64x64, 4x4 each, slices of 16');
    expect(names).toContain('workgroup 64x64, 8x8 each, slices of 16');
    expect(tileSet.every((tile) => fits(tile, gpu.facts))).toBe(true);
  });

  test('every product of a step over all tokens is one of those that are measured', async () => {
    const asked = new Map<string, MatmulShape>();
    const noting = {
      ...gpuTuning,
      matmulTile(shape: MatmulShape) {
        asked.set(shapeKey(shape), shape);
        return gpuTuning.matmulTile(shape);
      },
    };
    const engine = new KernelEngine(countingGpu({}), noting);
    const adapter = randomAdapter(tiny, 5, { targets: 'all' });
    const shapes = { batch: 2, classes: 5 };
    expect((await engine.prepare(randomModel(tiny), adapter, plainNormalisation, shapes)).ok).toBe(true);
    // The patch embedding has 3 * 16^2 = 768 inputs, as many as fc2.
    const large = [...asked.values()].filter(({ rows }) => rows === 2 * 197).map(shapeKey);
    expect(large.sort()).toEqual(measuredShapes(tiny, 2).map(shapeKey).sort());
  });
});
