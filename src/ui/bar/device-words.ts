// What the page says about the device: before a run what WebGPU offers and what was chosen, during and after
// a run what the engine really runs on. Pure.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import type { BackendChoice, EngineDescription, Hello } from '../../worker/protocol.ts';

export interface DeviceWords {
  readonly backend: 'webgpu' | 'wasm' | 'cpu' | 'unknown';
  /** For the badge. */
  readonly text: string;
  /** More of it: the engine, what of the GPU is used, how it was tuned. */
  readonly detail: string;
  readonly variant: 'good' | 'warn' | 'soft';
  /** A sentence when it is slower than people may expect; null when all is as it should be. */
  readonly notice: string | null;
}

const slow = 'It works, but slowly: take few images and few epochs.';

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

const tuned = {
  preset: 'tiles by the kind of device',
  measured: 'tiles measured on this device',
  remembered: 'tiles remembered from this device',
} as const;

function detailOf({ engine, gpu, tuning }: EngineDescription): string {
  const parts = [`engine ${engine}`];
  if (gpu !== null) {
    if (gpu.features.length > 0) parts.push(`with ${gpu.features.join(', ')}`);
    parts.push(`buffers up to ${bytesInWords(gpu.maxBufferBytes)}`);
    parts.push(`workgroups of ${gpu.workgroupThreads} threads and ${bytesInWords(gpu.workgroupMemoryBytes)}`);
  }
  if (tuning !== null) parts.push(tuned[tuning.source]);
  return parts.join('; ');
}

function ofEngine(description: EngineDescription, hello: Hello | null): DeviceWords {
  const { backend, adapter, software, fallback } = description;
  const notices: string[] = [];
  // What the worker said at the start says why better than the advice that comes with a fault.
  if (fallback !== null)
    notices.push(
      hello?.gpu.kind === 'absent'
        ? `WebGPU is not available here: ${sentence(hello.gpu.reason)}`
        : sentence(fallback),
    );
  if (backend === 'webgpu' && software)
    notices.push(`The graphics processor is emulated by the processor (${adapter}). ${slow}`);
  else if (fallback !== null && backend !== 'webgpu')
    notices.push(`Training runs on the processor (${backend}), which is slower.`);
  const device = backend === 'webgpu' ? 'WebGPU' : `Processor (${backend})`;
  return {
    backend,
    text: `${device} · ${adapter}${software ? ', software' : ''}`,
    detail: detailOf(description),
    variant: notices.length === 0 ? 'good' : 'warn',
    notice: notices.length === 0 ? null : notices.join(' '),
  };
}

export function deviceWords(
  engine: EngineDescription | null,
  hello: Hello | null,
  choice: BackendChoice,
): DeviceWords {
  return engine !== null ? ofEngine(engine, hello) : { ...beforeRun(hello, choice), detail: '' };
}

function beforeRun(hello: Hello | null, choice: BackendChoice): Omit<DeviceWords, 'detail'> {
  if (hello === null)
    return { backend: 'unknown', text: 'Looking for a GPU…', variant: 'soft', notice: null };
  const { gpu } = hello;
  if (choice === 'wasm' || choice === 'cpu')
    return { backend: choice, text: `Processor (${choice}), as chosen`, variant: 'soft', notice: null };
  if (gpu.kind === 'absent') {
    const reason = sentence(gpu.reason);
    const notice =
      choice === 'webgpu'
        ? `WebGPU was chosen but is not available here: ${reason} Choose the backend "automatic" or "wasm", or open this page in a current Chrome or Edge.`
        : `WebGPU is not available here: ${reason} Training will run on the processor (wasm). ${slow} A current Chrome or Edge on a machine with a graphics processor is much faster.`;
    return { backend: 'wasm', text: 'Processor (wasm)', variant: 'warn', notice };
  }
  if (gpu.software)
    return choice === 'webgpu'
      ? {
          backend: 'webgpu',
          text: `WebGPU · ${gpu.name}, software`,
          variant: 'warn',
          notice: `The graphics processor is emulated by the processor (${gpu.name}): the backend "wasm" is about a hundred times faster here.`,
        }
      : {
          backend: 'wasm',
          text: 'Processor (wasm)',
          variant: 'warn',
          notice: `The only graphics processor here is emulated by the processor (${gpu.name}), so training will run on the processor itself (wasm). ${slow}`,
        };
  return { backend: 'webgpu', text: `WebGPU · ${gpu.name}`, variant: 'good', notice: null };
}
