// Counts what a page asks of WebGPU by wrapping the prototypes, whatever engine asks: calls, and bytes of
// live buffers.

export const counted = [
  'dispatches',
  'submits',
  'passes',
  'bindGroups',
  'createBuffer',
  'writeBuffer',
  'mapAsync',
  'pipelines',
] as const;
export type Counts = Record<(typeof counted)[number], number>;

const counts = Object.fromEntries(counted.map((name) => [name, 0])) as Counts;
let bytes = 0;
let peak = 0;

/** Calls `before` each time a method of a prototype is called. */
function watch(
  prototype: object,
  method: string,
  before: (self: object, args: readonly unknown[]) => void,
): void {
  const original: unknown = Reflect.get(prototype, method);
  if (typeof original !== 'function') return;
  Reflect.set(prototype, method, function (this: object, ...args: unknown[]): unknown {
    before(this, args);
    return Reflect.apply(original, this, args) as unknown;
  });
}

/** Installs the counters; call once, before any engine. Does nothing where there is no WebGPU. */
export function countWebGpu(): void {
  if (!('GPUDevice' in globalThis)) return;
  const plus = (name: keyof Counts) => (): void => {
    counts[name]++;
  };
  watch(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', plus('dispatches'));
  watch(GPUQueue.prototype, 'submit', plus('submits'));
  watch(GPUQueue.prototype, 'writeBuffer', plus('writeBuffer'));
  watch(GPUCommandEncoder.prototype, 'beginComputePass', plus('passes'));
  watch(GPUDevice.prototype, 'createBindGroup', plus('bindGroups'));
  watch(GPUDevice.prototype, 'createComputePipeline', plus('pipelines'));
  watch(GPUDevice.prototype, 'createComputePipelineAsync', plus('pipelines'));
  watch(GPUBuffer.prototype, 'mapAsync', plus('mapAsync'));
  watch(GPUDevice.prototype, 'createBuffer', (_, [descriptor]) => {
    counts.createBuffer++;
    bytes += (descriptor as GPUBufferDescriptor).size;
    peak = Math.max(peak, bytes);
  });
  const gone = new WeakSet();
  watch(GPUBuffer.prototype, 'destroy', (self) => {
    if (gone.has(self)) return;
    gone.add(self);
    bytes -= (self as GPUBuffer).size;
  });
}

export function countsNow(): Counts {
  return { ...counts };
}

/** Largest sum of live buffers since the last call, in bytes. */
export function peakSince(): number {
  const seen = peak;
  peak = bytes;
  return seen;
}

export function liveBytes(): number {
  return bytes;
}
