// Which engine runs: the one place that knows them all.
import wasmBinary from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { AutodiffEngine } from './autodiff/autodiff-engine.ts';
import { startBackend } from './autodiff/backend.ts';
import { serveShard, type ShardPort } from './autodiff/shards.ts';
import { checkDevice, checkHalves } from './check-device.ts';
import type { BackendChoice, Engine, EngineChoice } from './engine.ts';
import { openGpu, type Gpu } from './gpu.ts';
import { KernelEngine } from './kernels/kernels-engine.ts';
import { Pipelines } from './kernels/device/pipelines.ts';
import { unsupportedByKernels } from './kernels/supported.ts';
import { presetTuning, type Tuned } from './kernels/tuning/tuning.ts';
import { autotune } from './kernels/tuning/autotune.ts';
import { sessionCache, type TuningCache } from './kernels/tuning/tuning-cache.ts';

export interface EngineSetting {
  readonly engine: EngineChoice;
  readonly backend: BackendChoice;
  /** The model that it will be given, where that is known: what an engine cannot compute is told at once. */
  readonly config?: VitConfig;
  /** Images of one step, for tuning. */
  readonly batch?: number;
  /** Whether the kernel engine may measure tiles on the device; `off` takes those of the device's kind. */
  readonly autotune?: 'auto' | 'off';
  readonly tuningCache?: TuningCache;
  /** Opens another worker that runs `serveEngineShard`: where wasm computes, it computes on all cores. */
  readonly openShard?: () => ShardPort;
  /** What is being done until the engine is ready to run, and how far it is. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
  /** Ends it as `cancelled` after the piece of work that is under way, with nothing left open. */
  readonly signal?: AbortSignal | undefined;
}

/** Choices last as long as the worker where no other memory is given. */
const cacheOfSession = sessionCache();

/**
 * Starts an engine on a backend. `auto` is the kernel engine wherever WebGPU runs: on a real GPU, or on an
 * emulated one that was asked for by name. It is the autodiff engine on other backends, for a model that the
 * kernels do not compute, and, on wasm, where the GPU fails a check; `describe().fallback` says why.
 */
export async function makeEngine(setting: EngineSetting): Promise<Result<Engine>> {
  const { engine, backend, config, signal } = setting;
  const onGpu = backend === 'auto' || backend === 'webgpu';
  const unsupported = config === undefined ? null : unsupportedByKernels(config);
  if (engine === 'kernels' && (!onGpu || unsupported !== null))
    return fail({
      kind: 'bad-recipe',
      field: 'engine',
      detail: onGpu
        ? `${unsupported ?? ''} Choose the engine autodiff.`
        : `The kernel engine runs on webgpu, not on ${backend}.`,
    });
  if (engine === 'autodiff' || !onGpu) return autodiff(setting, backend);
  const gpu = await openGpu();
  const isStopped = (): boolean => signal?.aborted === true;
  const stopped = (close: () => void): Result<never> => {
    close();
    return fail(cancelled('start'));
  };
  if (gpu.ok && isStopped()) return stopped(() => gpu.value.close());
  if (!gpu.ok) return engine === 'kernels' ? gpu : autodiff(setting, backend);
  const leave = (to: BackendChoice, why: string | null): Promise<Result<Engine>> => {
    gpu.value.close();
    return autodiff(setting, to, why);
  };
  if (engine === 'auto' && backend === 'auto' && gpu.value.software) return leave('auto', null);
  if (unsupported !== null) return leave('webgpu', `${unsupported} The engine autodiff runs instead.`);
  setting.onProgress?.('Checking the graphics processor', 0, 1);
  const wrong = await checkDevice(gpu.value, signal);
  if (isStopped()) return stopped(() => gpu.value.close());
  const trouble = gpu.value.trouble();
  // One that was lost meanwhile has computed nothing wrong.
  if (wrong !== null && trouble?.kind === 'device-lost') return fail(trouble);
  if (wrong === null) {
    const made = await kernels(gpu.value, setting);
    return isStopped() ? stopped(() => made.dispose()) : ok(made);
  }
  if (engine === 'auto') return leave('wasm', `${wrong} It is not used.`);
  gpu.value.close();
  return fail({ kind: 'no-webgpu', why: 'wrong-results', detail: wrong });
}

const ownWasm = (): string => new URL(wasmBinary, import.meta.url).href;

async function autodiff(
  { openShard, onProgress }: EngineSetting,
  backend: BackendChoice,
  fallback: string | null = null,
): Promise<Result<Engine>> {
  onProgress?.('Starting the processor’s engine', 0, 1);
  const started = await startBackend(backend, ownWasm());
  if (!started.ok) return started;
  const { description } = started.value;
  const told = {
    ...started.value,
    description: { ...description, fallback: fallback ?? description.fallback },
  };
  return ok(new AutodiffEngine(told, description.backend === 'wasm' ? openShard : undefined));
}

/** What a worker does that `openShard` opened: computes parts of an engine's steps on wasm. */
export function serveEngineShard(port: ShardPort): void {
  serveShard(port, () => startBackend('wasm', ownWasm()));
}

async function kernels(gpu: Gpu, setting: EngineSetting): Promise<Engine> {
  const { config, batch = 8, onProgress = () => undefined } = setting;
  const measure = (of: VitConfig): Promise<Tuned> =>
    autotune(gpu, of, batch, setting.tuningCache ?? cacheOfSession, {
      onProgress: (done, total) => onProgress('Measuring the graphics processor', done, total),
      signal: setting.signal,
    });
  // A device that is lost while it is measured says so at the next call.
  const { tuning, record } =
    setting.autotune === 'off' || config === undefined
      ? presetTuning(gpu)
      : await measure(config).catch(() => presetTuning(gpu));
  Pipelines.of(gpu.device).watch((done, total) => onProgress('Compiling kernels', done, total));
  return new KernelEngine(gpu, tuning, record, undefined, () => checkHalves(gpu, setting.signal));
}
