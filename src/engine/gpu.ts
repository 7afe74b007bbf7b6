// The one GPUDevice of a worker: opened with what the adapter has, watched for loss and for errors that
// nobody asked about. tfjs borrows it and watches nothing itself: without this a failed allocation is a
// tensor of zeros.
import { describeFault } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { GpuFacts } from './engine.ts';

/** A device and what has gone wrong on it. */
export interface Gpu {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  /** The adapter in words. */
  readonly name: string;
  /** An emulation on the processor. */
  readonly software: boolean;
  readonly facts: GpuFacts;
  /** The first thing that went wrong outside any scope, or the loss of the device; null while all is well. */
  trouble(): Fault | null;
  /**
   * The same, asked because something failed that fails on a lost device: the reads that a loss cuts off fail
   * before the browser tells of the loss, so that the device is given time to tell.
   */
  troubleBehind(): Promise<Fault | null>;
  /** Runs `work` under error scopes and gives the fault that they or the device report. */
  guarded<T>(step: number, work: () => Promise<T>): Promise<Result<T>>;
  /** Destroys the device; its loss is then no fault. */
  close(): void;
}

/**
 * The last is closed first: of several errors that of memory counts, not the invalid buffers that follow from
 * it.
 */
const scopes: readonly GPUErrorFilter[] = ['validation', 'out-of-memory', 'internal'];

/** Opens error scopes; the function that it gives closes them and resolves to the first error, or null. */
function openScopes(device: GPUDevice): () => Promise<GPUError | null> {
  for (const scope of scopes) device.pushErrorScope(scope);
  return async () => {
    const errors = await Promise.all(scopes.map(() => device.popErrorScope().catch(() => null)));
    return errors.find((error) => error !== null) ?? null;
  };
}

/**
 * Runs work that is enqueued and not awaited; its scopes close before anything else can run. Resolves to the
 * first error that the device reports for it.
 */
export function scoped(device: GPUDevice, work: () => void): Promise<GPUError | null> {
  const close = openScopes(device);
  try {
    work();
  } catch (thrown) {
    void close();
    throw thrown;
  }
  return close();
}

async function findAdapter(): Promise<Result<GPUAdapter>> {
  const noGpu = (why: NoGpu, detail: string): Result<GPUAdapter> => fail({ kind: 'no-webgpu', why, detail });
  // The types promise a `gpu`; browsers without WebGPU and insecure pages have none.
  const gpu = (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (gpu === undefined)
    return !globalThis.isSecureContext
      ? noGpu('insecure-context', 'This page was not loaded over https or from localhost.')
      : noGpu('api-missing', 'This browser has no WebGPU.');
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  return adapter === null
    ? noGpu('no-adapter', 'The browser has WebGPU but offers no graphics adapter on this machine.')
    : ok(adapter);
}

/** How long the news of a loss may take after the failures that it brings about; mostly it is a turn or two. */
const newsMs = 5_000;

type NoGpu = Extract<Fault, { kind: 'no-webgpu' }>['why'];

/** Features that help, asked for where the adapter has them; nothing depends on any of them. */
const helpful = [
  'shader-f16',
  'subgroups',
  'timestamp-query',
  // Behind a flag of Chromium; no kernel uses it yet.
  'chromium-experimental-subgroup-matrix',
] as const;

/** Limits that are raised to the adapter's. */
const raised = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxUniformBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const;

/** Opens the GPU, or says why there is none. Limits are raised to the adapter's. */
export async function openGpu(): Promise<Result<Gpu>> {
  const found = await findAdapter();
  if (!found.ok) return found;
  const adapter = found.value;
  // The types know no experimental feature.
  const features = helpful.filter((name) => adapter.features.has(name)) as GPUFeatureName[];
  const { limits } = adapter;
  try {
    const device = await adapter.requestDevice({
      requiredFeatures: features,
      requiredLimits: Object.fromEntries(raised.map((name) => [name, limits[name]])),
    });
    return ok(watched(device, adapter));
  } catch (thrown) {
    const detail = `The graphics adapter gave no device: ${String(thrown)}`;
    return fail({ kind: 'no-webgpu', why: 'missing-limit', detail });
  }
}

/** What WebGPU offers here, without opening a device. */
export async function describeGpu(): Promise<
  | { readonly kind: 'present'; readonly name: string; readonly software: boolean }
  | { readonly kind: 'absent'; readonly reason: string }
> {
  const adapter = await findAdapter();
  if (!adapter.ok) return { kind: 'absent', reason: describeFault(adapter.fault).detail };
  const { info } = adapter.value;
  return { kind: 'present', name: nameOf(info), software: isSoftware(adapter.value) };
}

/** The largest buffer that the GPU binds, in bytes; null without WebGPU. Opens no device. */
export async function largestBinding(): Promise<number | null> {
  const adapter = await findAdapter();
  if (!adapter.ok) return null;
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.value.limits;
  return Math.min(maxBufferSize, maxStorageBufferBindingSize);
}

/** Firefox tells no words of an adapter, so that pages cannot tell machines apart by them. */
export const unnamedAdapter = 'unnamed adapter';

/** The words of an adapter, each once. */
function nameOf(info: GPUAdapterInfo): string {
  const words = [info.vendor, info.architecture, info.device, info.description].filter((word) => word !== '');
  return [...new Set(words)].join(' ') || unnamedAdapter;
}

/** What an adapter tells of itself. */
type AdapterWords = Pick<GPUAdapter, 'info'> & { readonly isFallbackAdapter?: boolean };

/**
 * Whether the processor emulates the GPU: the browser's own flag first, on the adapter's info or, in browsers
 * of before 2025, on the adapter; then the name, since a browser may take a driver that emulates for a GPU.
 */
function isSoftware(adapter: AdapterWords): boolean {
  if (adapter.info.isFallbackAdapter || adapter.isFallbackAdapter === true) return true;
  return /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(nameOf(adapter.info));
}

/** Keeps watch over a device. */
export function watched(device: GPUDevice, adapter: AdapterWords): Gpu {
  const { info } = adapter;
  let trouble: Fault | null = null;
  const troubleNow = (): Fault | null => trouble;
  let closing = false;
  const lost = device.lost.then(({ reason, message }) => {
    if (closing) return;
    trouble = { kind: 'device-lost', step: 0, detail: message === '' ? reason : message };
  });
  const troubleBehind = async (): Promise<Fault | null> => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, newsMs);
    });
    if (troubleNow()?.kind !== 'device-lost') await Promise.race([lost, enough]);
    clearTimeout(timer);
    return troubleNow();
  };
  device.addEventListener('uncapturederror', ({ error }) => {
    trouble ??= faultOfGpuError(error, 0);
  });
  return {
    device,
    info,
    name: nameOf(info),
    software: isSoftware(adapter),
    facts: factsOf(device),
    trouble: troubleNow,
    troubleBehind,
    async guarded(step, work) {
      const close = openScopes(device);
      const outcome = await settle(work);
      const error = await close();
      // A lost device makes tfjs throw misleading errors, so that it is asked first.
      const found = outcome.ok || error !== null ? troubleNow() : await troubleBehind();
      if (found !== null) return fail('step' in found ? { ...found, step } : found);
      if (error !== null) return fail(faultOfGpuError(error, step));
      if (!outcome.ok) throw outcome.thrown;
      return ok(outcome.value);
    },
    close() {
      closing = true;
      device.destroy();
    },
  };
}

function factsOf({ features, limits }: GPUDevice): GpuFacts {
  return {
    features: helpful.filter((name) => features.has(name)),
    maxBufferBytes: limits.maxBufferSize,
    maxBindingBytes: limits.maxStorageBufferBindingSize,
    workgroupMemoryBytes: limits.maxComputeWorkgroupStorageSize,
    workgroupThreads: limits.maxComputeInvocationsPerWorkgroup,
  };
}

type Settled<T> = { ok: true; value: T } | { ok: false; thrown: unknown };

async function settle<T>(work: () => Promise<T>): Promise<Settled<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (thrown) {
    return { ok: false, thrown };
  }
}

/** A device's error as a fault of `step`. */
export function faultOfGpuError(error: GPUError, step: number): Fault {
  return error instanceof GPUOutOfMemoryError
    ? { kind: 'out-of-memory', askedBytes: 0, detail: error.message }
    : { kind: 'gpu-error', message: error.message, step };
}
