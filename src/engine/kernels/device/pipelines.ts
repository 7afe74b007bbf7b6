// Compiled kernels, by their code: each is compiled once in the life of a device, ahead of the first step and
// off the thread that waits for frames. After a drop the kernels are the same, so planning again compiles
// nothing.
import type { Kernel } from '../shaders/kernel.ts';

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

const byDevice = new WeakMap<GPUDevice, Pipelines>();

export class Pipelines {
  readonly #compiled = new Map<string, Promise<Pipeline>>();
  #ready = 0;
  #tell: () => void = () => undefined;

  private constructor(private readonly device: GPUDevice) {}

  /** The device's pipelines: engines that follow one another on a device share them. */
  static of(device: GPUDevice): Pipelines {
    const known = byDevice.get(device);
    if (known !== undefined) return known;
    const pipelines = new Pipelines(device);
    byDevice.set(device, pipelines);
    return pipelines;
  }

  /** Compiles a kernel or gives the one compiled before; rejects with the compiler's words. */
  get(kernel: Kernel): Promise<Pipeline> {
    const known = this.#compiled.get(kernel.code);
    if (known !== undefined) return known;
    const compiled = this.#compile(kernel).finally(() => {
      this.#ready++;
      this.#tell();
    });
    this.#compiled.set(kernel.code, compiled);
    return compiled;
  }

  /** Tells how many of the kernels that are asked for from now on have been compiled. */
  watch(onProgress: (done: number, total: number) => void): void {
    const [ready, asked] = [this.#ready, this.count];
    this.#tell = () => onProgress(this.#ready - ready, this.count - asked);
  }

  get count(): number {
    return this.#compiled.size;
  }

  async #compile({ name, bindings, code }: Kernel): Promise<Pipeline> {
    const types = { read: 'read-only-storage', write: 'storage', uniform: 'uniform' } as const;
    const layout = this.device.createBindGroupLayout({
      label: name,
      entries: bindings.map(({ access }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: types[access] },
      })),
    });
    const module = this.device.createShaderModule({ label: name, code });
    try {
      const pipeline = await this.device.createComputePipelineAsync({
        label: name,
        layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main' },
      });
      return { pipeline, layout };
    } catch (thrown) {
      const { messages } = await module.getCompilationInfo();
      const words = messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ');
      throw new Error(`kernel ${name} does not compile: ${words === '' ? String(thrown) : words}`);
    }
  }
}
