// Which engine runs where: the table of choices, with a device that computes nothing in the place of the GPU.
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Result } from '../shared/result.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { isCancelled } from '../shared/fault.ts';
import { checkDevice } from './check-device.ts';
import { startBackend, type Backend } from './autodiff/backend.ts';
import type { BackendChoice, Engine, EngineChoice } from './engine.ts';
import { openGpu } from './gpu.ts';
import { countingGpu } from './checks/counting-device.ts';
import { micro, plainNormalisation, randomAdapter, randomModel, tiny } from './checks/random-model.ts';
import { makeEngine } from './make-engine.ts';
import type { VitConfig } from '../vit/vit-config.ts';

vi.mock('./gpu.ts');
vi.mock('./check-device.ts');
vi.mock('./autodiff/backend.ts');

/** A device that the test gives: a real or an emulated GPU, or none. */
function given(device: 'real' | 'emulated' | 'none', problem: string | null = null): void {
  const fault = { kind: 'no-webgpu', why: 'no-adapter', detail: 'There is no adapter.' } as const;
  vi.mocked(openGpu).mockImplementation(() =>
    Promise.resolve(
      device === 'none'
        ? { ok: false, fault }
        : { ok: true, value: { ...countingGpu({}), software: device === 'emulated' } },
    ),
  );
  vi.mocked(checkDevice).mockResolvedValue(problem);
  vi.mocked(startBackend).mockImplementation((wanted) => {
    if (wanted === 'webgpu' && device === 'none') return Promise.resolve({ ok: false, fault });
    const value: Backend = {
      gpu: null,
      allocatedBytes: () => 0,
      close: () => undefined,
      description: {
        engine: 'autodiff',
        backend: wanted === 'auto' ? 'wasm' : wanted,
        adapter: 'test',
        software: false,
        fallback: wanted === 'auto' ? 'why it is wasm' : null,
        gpu: null,
        tuning: null,
        stepsInFlight: 1,
      },
    };
    return Promise.resolve({ ok: true, value });
  });
}

const words = (made: Result<Engine>): string => {
  if (!made.ok) return `refused: ${faultSentence(made.fault)}`;
  const { engine, backend, fallback } = made.value.describe();
  return `${engine} on ${backend}${fallback === null ? '' : `: ${fallback}`}`;
};

const of = async (engine: EngineChoice, backend: BackendChoice, config = tiny): Promise<string> =>
  words(await makeEngine({ engine, backend, config, autotune: 'off' }));

beforeEach(() => given('real'));

describe('the engine that runs', () => {
  test('is kernels on a real GPU, and on an emulated one that is asked for by name', async () => {
    expect(await of('auto', 'auto')).toBe('kernels on webgpu');
    expect(await of('auto', 'webgpu')).toBe('kernels on webgpu');
    given('emulated');
    expect(await of('auto', 'webgpu')).toBe('kernels on webgpu');
    expect(await of('auto', 'auto')).toBe('autodiff on wasm: why it is wasm');
    expect(await of('kernels', 'auto')).toBe('kernels on webgpu');
  });

  test('is autodiff without a GPU, on the processor, and where it is asked for', async () => {
    expect(await of('auto', 'wasm')).toBe('autodiff on wasm');
    expect(await of('auto', 'cpu')).toBe('autodiff on cpu');
    expect(await of('autodiff', 'webgpu')).toBe('autodiff on webgpu');
    given('none');
    expect(await of('auto', 'auto')).toBe('autodiff on wasm: why it is wasm');
    expect(await of('auto', 'webgpu')).toContain('There is no adapter.');
    expect(await of('kernels', 'auto')).toContain('There is no adapter.');
  });

  test('is autodiff on the same GPU for a model that the kernels do not compute, and says so', async () => {
    const other: VitConfig = { ...tiny, dim: 15, heads: 3, pool: 'cls+mean' };
    expect(await of('auto', 'auto', other)).toMatch(/^autodiff on webgpu: .*which 4 does not divide/);
    expect(await of('kernels', 'auto', other)).toMatch(/^refused: .*Choose the engine autodiff/);
    expect(await of('kernels', 'wasm')).toMatch(/^refused: .*runs on webgpu, not on wasm/);
  });

  test('leaves a GPU that computes wrong results for wasm, and says so', async () => {
    given('real', 'It computes zeros.');
    expect(await of('auto', 'auto')).toBe('autodiff on wasm: It computes zeros. It is not used.');
    expect(await of('auto', 'webgpu')).toBe('autodiff on wasm: It computes zeros. It is not used.');
    expect(await of('kernels', 'webgpu')).toMatch(/^refused: The GPU cannot be trusted: It computes zeros\./);
  });
});

test('a stop while the device is checked or its tiles are measured leaves no device open', async () => {
  for (const when of ['check', 'tiles'] as const) {
    given('real');
    const stop = new AbortController();
    let closed = 0;
    vi.mocked(openGpu).mockResolvedValue({
      ok: true,
      value: {
        ...countingGpu({}),
        close: () => {
          closed += 1;
        },
      },
    });
    if (when === 'check')
      vi.mocked(checkDevice).mockImplementation((_, signal) => {
        expect(signal).toBe(stop.signal);
        stop.abort();
        return Promise.resolve(null);
      });
    const made = await makeEngine({
      ...{ engine: 'auto', backend: 'auto', config: tiny, signal: stop.signal },
      tuningCache: {
        read: () => {
          stop.abort();
          return Promise.resolve(null);
        },
        write: () => Promise.resolve(),
      },
    });
    expect(!made.ok && isCancelled(made.fault)).toBe(true);
    expect(closed).toBe(1);
  }
});

test('progress names the check, then counts the kernels that are compiled', async () => {
  const told: [what: string, done: number, total: number][] = [];
  const made = await makeEngine({
    engine: 'auto',
    backend: 'auto',
    config: micro,
    autotune: 'off',
    onProgress: (...progress) => told.push(progress),
  });
  if (!made.ok) throw new Error(faultSentence(made.fault));
  const shapes = { batch: 2, classes: 3 };
  await made.value.prepare(randomModel(micro), randomAdapter(micro, 3), plainNormalisation, shapes);
  const [first, ...compiled] = told;
  expect(first).toEqual(['Checking the graphics processor', 0, 1]);
  expect(compiled.length).toBeGreaterThan(30);
  expect(compiled.every(([what]) => what === 'Compiling kernels')).toBe(true);
  expect(compiled.map(([, done]) => done)).toEqual(compiled.map((_, i) => i + 1));
  expect(compiled.at(-1)?.[2]).toBe(compiled.length);
});
