// What a forecast is made from: the times of runs that compute in the same way on the same device.
import { beforeEach, expect, test, vi } from 'vitest';
import type { OpenModel } from '../checkpoints/open-model.ts';
import { micro } from '../engine/checks/random-model.ts';
import { describeGpu } from '../engine/gpu.ts';
import { makeEngine } from '../engine/make-engine.ts';
import type { Tune } from '../dmlora/tuned.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { cancelled } from '../shared/fault.ts';
import { fail } from '../shared/result.ts';
import { DeviceSpeed } from './device-speed.ts';
import { Forecasts, type Planned } from './forecast.ts';
import type { EngineParts } from './launch.ts';
import type { OpenData } from './open-data.ts';

vi.mock('../engine/gpu.ts');
vi.mock('../engine/make-engine.ts', () => ({ makeEngine: vi.fn() }));

function planned(
  backend: Planned['backend'],
  tune: Tune,
  arithmetic: 'float32' | 'float16' = 'float32',
  config = micro,
): Planned {
  const counts = { train: 8, validation: 2, test: 0 };
  const data = {
    images: [],
    split: { train: [], validation: [], test: [] },
    summary: { classes: [{ counts }, { counts }] },
  };
  return {
    model: { model: { config }, summary: { imageSizes: [] } } as unknown as OpenModel,
    data: data as unknown as OpenData,
    recipe: {
      ...recipeDefaults,
      backbone: { ...recipeDefaults.backbone, tune },
      memory: { ...recipeDefaults.memory, arithmetic },
    },
    backend,
    hasHead: false,
    undecoded: 0,
  };
}

beforeEach(() => {
  vi.mocked(describeGpu).mockResolvedValue({ kind: 'present', name: 'a GPU', software: false });
  vi.mocked(makeEngine).mockResolvedValue(fail(cancelled('start')));
});

const forecasts = (): Forecasts =>
  new Forecasts(new DeviceSpeed({ read: () => Promise.resolve(null), write: () => Promise.resolve() }));

test.each(['auto', 'wasm'] as const)(
  'steps of runs in which all parameters learn say nothing of others on %s, nor the other way round',
  async (backend) => {
    const kinds = async (of: Forecasts): Promise<string[]> =>
      Promise.all(
        (['none', 'norms', 'all'] as const).map(async (tune) => (await of.of(planned(backend, tune))).kind),
      );
    const one = forecasts();
    await one.learnStep(planned(backend, 'none'), 0.1);
    expect(await kinds(one)).toEqual(['known', 'known', 'unknown']);
    const other = forecasts();
    await other.learnStep(planned(backend, 'all'), 0.1);
    expect(await kinds(other)).toEqual(['unknown', 'unknown', 'known']);
  },
);

test('the engine autodiff has one speed whatever is asked of the arithmetic, the kernel engine two', async () => {
  const beyondKernels = { ...micro, dim: 15, heads: 3, pool: 'cls+mean' } as const;
  const of = forecasts();
  const kindOf = async (tune: Tune, config = micro): Promise<string> => {
    await of.learnStep(planned('auto', tune, 'float32', config), 0.1);
    return (await of.of(planned('auto', tune, 'float16', config))).kind;
  };
  expect(await kindOf('none', beyondKernels)).toBe('known');
  expect(await kindOf('none')).toBe('unknown');
  expect(await kindOf('all')).toBe('unknown');
});

test('a device is measured for both', async () => {
  const of = forecasts();
  const going = new AbortController().signal;
  await of.measure(planned('auto', 'all'), {} as EngineParts, going);
  expect(await of.isWorthMeasuring(planned('auto', 'all'), false)).toBe(false);
  expect(await of.isWorthMeasuring(planned('auto', 'none'), false)).toBe(true);
});
