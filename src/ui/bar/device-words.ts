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
const faster = 'A current Chrome or Edge on a machine with a graphics processor is much faster.';

/** Why the processor computes, and what that means: the same before a run and while it goes on. */
const onProcessor = (why: string): string =>
  `${sentence(why)} Training runs on the processor itself (WebAssembly, “wasm” for short). ${slow} ${faster}`;
const noWebGpu = (reason: string): string =>
  `WebGPU, by which a page computes on the graphics processor, is not available here: ${reason}`;
const emulated = (name: string): string =>
  `The only graphics processor here is emulated by the processor (${name}).`;

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

function ofEngine(
  { backend, adapter, software, fallback, ...more }: EngineDescription,
  hello: Hello | null,
): DeviceWords {
  const isGpu = backend === 'webgpu';
  const notice = isGpu
    ? [
        ...(fallback === null ? [] : [sentence(fallback)]),
        ...(software ? [`${emulated(adapter)} ${slow}`] : []),
      ]
    : fallback === null
      ? []
      : [onProcessor(whyProcessor(hello) ?? fallback)];
  return {
    backend,
    text: isGpu ? `WebGPU · ${adapter}${software ? ', software' : ''}` : `Processor (${backend})`,
    detail: [...(isGpu ? [] : [adapter]), detailOf({ ...more, backend, adapter, software, fallback })].join(
      '; ',
    ),
    variant: notice.length === 0 ? 'good' : 'warn',
    notice: notice.length === 0 ? null : notice.join(' '),
  };
}

/** What the worker said at the start of the graphics processor, where that is why it is not used. */
function whyProcessor(hello: Hello | null): string | null {
  if (hello === null) return null;
  if (hello.gpu.kind === 'absent') return noWebGpu(hello.gpu.reason);
  return hello.gpu.software ? emulated(hello.gpu.name) : null;
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
    const notice =
      choice === 'webgpu'
        ? `${sentence(noWebGpu(gpu.reason))} It was chosen all the same: choose the backend "automatic" or "wasm", or open this page in a current Chrome or Edge.`
        : onProcessor(noWebGpu(gpu.reason));
    return { backend: 'wasm', text: 'Processor (wasm)', variant: 'warn', notice };
  }
  if (gpu.software)
    return choice === 'webgpu'
      ? {
          backend: 'webgpu',
          text: `WebGPU · ${gpu.name}, software`,
          variant: 'warn',
          notice: `${emulated(gpu.name)} The backend "wasm" is about a hundred times faster here.`,
        }
      : {
          backend: 'wasm',
          text: 'Processor (wasm)',
          variant: 'warn',
          notice: onProcessor(emulated(gpu.name)),
        };
  return { backend: 'webgpu', text: `WebGPU · ${gpu.name}`, variant: 'good', notice: null };
}
