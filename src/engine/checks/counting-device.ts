// A GPUDevice that computes nothing and counts every call: what a step asks of WebGPU is the same on every
// machine, so its counts are tested without a GPU. (The bench counts on real devices, by the prototypes.)
import { fail, ok } from '../../shared/result.ts';
import type { Gpu } from '../gpu.ts';
import { recordStruct } from '../kernels/shaders/structs.ts';
import { recordRing } from '../kernels/shaders/adamw.ts';

export type Counts = Record<string, number>;

/** Constants of WebGPU, which a Node without Dawn lacks. */
function installConstants(): void {
  const usage = { MAP_READ: 1, MAP_WRITE: 2, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 };
  const known = globalThis as Record<string, unknown>;
  known['GPUBufferUsage'] ??= usage;
  known['GPUShaderStage'] ??= { COMPUTE: 4 };
  known['GPUMapMode'] ??= { READ: 1, WRITE: 2 };
}

export interface CountedDevice {
  /** Bytes of buffers from which on the device is out of memory. */
  readonly bytes?: number;
  readonly maxBufferBytes?: number;
  readonly maxBindingBytes?: number;
  /** Is told the kernels of each submit, one a dispatch. */
  readonly onSubmit?: (kernels: readonly string[]) => void;
}

/** A device with counters; records that are read back say that every step was applied. */
export function countingGpu(counts: Counts, room: CountedDevice = {}): Gpu {
  const { bytes: most = Infinity, maxBufferBytes = 2 ** 40, maxBindingBytes = 2 ** 40, onSubmit } = room;
  installConstants();
  const count = (name: string, by = 1): void => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  // A step copies its record into the ring that the host reads.
  const piece = { kernel: '', kernels: [] as string[] };
  const pass = {
    setPipeline: ({ label }: { label: string }) => {
      count('setPipeline');
      piece.kernel = label;
    },
    setBindGroup: () => count('setBindGroup'),
    dispatchWorkgroups: () => {
      count('dispatches');
      piece.kernels.push(piece.kernel);
    },
    end: () => undefined,
  };
  /** Allocations beyond the device's memory, and the number of the step whose block was written last. */
  const state = { refusals: 0, latest: 0 };
  const buffer = ({ label, size }: { label: string; size: number }): unknown => {
    count('createBuffer');
    count('bytes', size);
    if ((counts['bytes'] ?? 0) > most) state.refusals++;
    const made = {
      label,
      size,
      mapState: 'unmapped',
      destroy: () => count('bytes', -size),
      mapAsync: (mode: GPUMapModeFlags) => {
        count(mode === GPUMapMode.READ ? 'mapAsync' : 'mapWrite');
        made.mapState = 'mapped';
        return Promise.resolve();
      },
      getMappedRange: () => appliedRecords(size, state.latest + 1),
      unmap: () => {
        made.mapState = 'unmapped';
      },
    };
    return made;
  };
  const device = {
    createBuffer: buffer,
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: () => ({}),
    createBindGroup: () => {
      count('createBindGroup');
      return {};
    },
    createComputePipelineAsync: ({ label }: { label: string }) => {
      count('pipelines');
      return Promise.resolve({ label });
    },
    createCommandEncoder: () => ({
      beginComputePass: () => {
        count('passes');
        return pass;
      },
      copyBufferToBuffer: () => undefined,
      clearBuffer: () => undefined,
      finish: () => ({}),
    }),
    pushErrorScope: () => undefined,
    popErrorScope: () => Promise.resolve(null),
    queue: {
      writeBuffer: ({ label }: { label: string }, _offset: number, data: unknown) => {
        count('writeBuffer');
        if (label === 'step block' && data instanceof ArrayBuffer)
          state.latest = Math.max(state.latest, new Uint32Array(data)[0] ?? 0);
      },
      submit: () => {
        count('submits');
        onSubmit?.(piece.kernels.splice(0));
      },
    },
  };
  return {
    device: device as unknown as GPUDevice,
    info: {} as GPUAdapterInfo,
    name: 'counting',
    software: false,
    facts: {
      features: [],
      maxBufferBytes,
      maxBindingBytes,
      workgroupMemoryBytes: 16384,
      workgroupThreads: 256,
    },
    trouble: () => null,
    troubleBehind: () => Promise.resolve(null),
    guarded: async (_step, work) => {
      const before = state.refusals;
      const value = await work();
      return state.refusals === before
        ? ok(value)
        : fail({ kind: 'out-of-memory', askedBytes: 0, detail: 'Out of memory.' });
    },
    close: () => undefined,
  };
}

/** The ring after so many steps: the last ones, each the n-th in its place and applied. */
function appliedRecords(size: number, steps: number): ArrayBuffer {
  const words = new Uint32Array(Math.max(size, recordRing * recordStruct.bytes) / 4);
  for (let step = Math.max(0, steps - recordRing); step < steps; step++)
    words.set([step, 1], ((step % recordRing) * recordStruct.bytes) / 4);
  return words.buffer;
}
