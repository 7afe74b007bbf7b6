// Tuning as a whole, with made-up times on a device that computes nothing: what is measured, remembered and
// told.
import { describe, expect, test } from 'vitest';
import type { Gpu } from '../../gpu.ts';
import { KernelEngine } from '../kernels-engine.ts';
import { countingGpu } from '../../checks/counting-device.ts';
import { plainNormalisation, randomAdapter, randomModel, tiny } from '../../checks/random-model.ts';
import { gpuTuning, processorTuning } from './tuning.ts';
import type { MatmulShape } from '../shaders/matmul.ts';
import { autotune, measuredShapes } from './autotune.ts';
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

const best = tileName(tileSet[4]!);

describe('tuning', () => {
  test('measures once, remembers for the adapter, and gives the same tiles from memory', async () => {
    const memory = sessionCache();
    const first = await autotune(gpu, tiny, 8, memory, ignore, fakeBench(best));
    expect(first.record.source).toBe('measured');
    expect(new Set(Object.values(first.record.tiles))).toEqual(new Set([best]));
    const idle = fakeBench(tileName(tileSet[0]!));
    const second = await autotune(gpu, tiny, 8, memory, ignore, idle);
    expect(second.record).toMatchObject({ source: 'remembered', tiles: first.record.tiles });
    expect(idle.trials).toBe(0);
    for (const shape of measuredShapes(tiny, 8))
      expect(second.tuning.matmulTile(shape)).toEqual(first.tuning.matmulTile(shape));
    const other = await autotune({ ...gpu, name: 'another' }, tiny, 8, memory, ignore, fakeBench(best));
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
      const { record } = await autotune(gpu, tiny, 8, memory, ignore, fakeBench(best));
      expect(record.source).toBe('measured');
      expect(kept).toContain(best);
    },
  );

  test('nothing is measured on an emulated GPU, nor for a handful of rows', async () => {
    const bench = fakeBench(best);
    const emulated = await autotune({ ...gpu, software: true }, tiny, 8, sessionCache(), ignore, bench);
    expect(emulated).toEqual({ tuning: processorTuning, record: { source: 'preset', tiles: {}, ms: 0 } });
    const small = { ...tiny, imageSize: 32 };
    expect((await autotune(gpu, small, 1, sessionCache(), ignore, bench)).tuning).toBe(gpuTuning);
    expect(bench.trials).toBe(0);
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
