// An engine that computes in PyTorch (torch_engine.py, a child process), so that a grid of runs of the app's
// own loop takes minutes and not hours: a step takes a fraction of what wasm needs for it. For measurements
// alone: it computes the original ViT only, and no test or page uses it.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parametersOf, withParameters, type Adapter, type Moments } from '../../src/dmlora/adapter.ts';
import type {
  Batch,
  Engine,
  EngineDescription,
  Normalisation,
  Pixels,
  StepControl,
  StepReport,
} from '../../src/engine/engine.ts';
import { ndArray, sizeOf, type NdArray } from '../../src/shared/array.ts';
import { ok, type Result } from '../../src/shared/result.ts';
import type { VitModel } from '../../src/vit/parameters.ts';

interface Answer {
  readonly told: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The process: questions are answered in their order. */
export class Torch {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);
  #last: Promise<unknown> = Promise.resolve();

  /** @param python an interpreter with torch, numpy and PIL. */
  constructor(python: string) {
    const script = fileURLToPath(new URL('./torch_engine.py', import.meta.url));
    this.#process = spawn(python, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#process.stderr.pipe(process.stderr);
    this.#chunks = this.#process.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  ask(question: object, ...arrays: readonly (Float32Array | Uint8Array)[]): Promise<Answer> {
    const next = this.#last.then(() => this.#ask(question, arrays));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #ask(question: object, arrays: readonly (Float32Array | Uint8Array)[]): Promise<Answer> {
    const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const text = Buffer.from(JSON.stringify({ ...question, bytes }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    for (const part of [length, text, ...arrays])
      this.#process.stdin.write(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    const size = (await this.#take(4)).readUInt32LE();
    const told = JSON.parse((await this.#take(size)).toString()) as Answer['told'];
    return { told, body: Uint8Array.from(await this.#take(Number(told['bytes']))) };
  }

  async #take(bytes: number): Promise<Buffer> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < bytes) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error('torch_engine.py ended; its last words stand above');
      parts.push(next.value);
      have += next.value.length;
    }
    const all = Buffer.concat(parts);
    this.#rest = all.subarray(bytes);
    return all.subarray(0, bytes);
  }

  close(): void {
    this.#process.stdin.end();
  }
}

const bytesOf = (pixels: Pixels): Uint8Array => {
  if (pixels.kind !== 'bytes') throw new Error('this engine takes pixels as bytes');
  return pixels.data;
};

/** What this engine follows of a batch; anything else would be passed over without a word. */
const followed = new Set(['pixels', 'labels', 'images', 'crops']);

function refuseOthers(batch: Batch): void {
  const [other] =
    Object.entries(batch).find(([name, value]) => value !== undefined && !followed.has(name)) ?? [];
  if (other !== undefined)
    throw new Error(
      `torch_engine.py does not follow "${other}" of a batch: take recipes without it, or --backend wasm`,
    );
}

export class TorchEngine implements Engine {
  #adapter: Adapter | null = null;
  #reports: Promise<StepReport>[] = [];

  constructor(private readonly torch: Torch) {}

  describe(): EngineDescription {
    return {
      engine: 'autodiff',
      backend: 'cpu',
      adapter: 'PyTorch',
      software: false,
      fallback: null,
      gpu: null,
      tuning: null,
      stepsInFlight: 1,
    };
  }

  async prepare(model: VitModel, adapter: Adapter, normalisation: Normalisation): Promise<Result<void>> {
    const tensors = [...model.weights].map(([name, { shape }]) => ({ name, shape }));
    const values = [...model.weights.values()].map(({ data }) => data);
    await this.torch.ask({ what: 'prepare', config: model.config, normalisation, tensors }, ...values);
    return this.writeAdapter(adapter);
  }

  step(batch: Batch, control: StepControl): void {
    refuseOthers(batch);
    const { pixels, labels, crops } = batch;
    const question = { what: 'step', labels: [...labels], control, ...(crops ? { crops } : {}) };
    this.#reports.push(
      this.torch
        .ask(question, bytesOf(pixels))
        .then(({ told }) => ({ step: control.step, ...told }) as unknown as StepReport),
    );
  }

  async report(): Promise<{ readonly steps: readonly StepReport[]; readonly fault: null }> {
    const steps = await Promise.all(this.#reports);
    this.#reports = [];
    return { steps, fault: null };
  }

  evaluate = (pixels: Pixels): Promise<Result<NdArray>> => this.#rows('evaluate', pixels);

  features = (pixels: Pixels): Promise<Result<NdArray>> => this.#rows('features', pixels);

  async #rows(what: 'evaluate' | 'features', pixels: Pixels): Promise<Result<NdArray>> {
    const { told, body } = await this.torch.ask({ what }, bytesOf(pixels));
    return ok(ndArray(told['shape'] as number[], new Float32Array(body.buffer)));
  }

  async loss({ pixels, labels, crops }: Batch): Promise<Result<number>> {
    const question = { what: 'loss', labels: [...labels], ...(crops ? { crops } : {}) };
    return ok(Number((await this.torch.ask(question, bytesOf(pixels))).told['loss']));
  }

  gradients(): never {
    throw new Error('this engine is for training alone');
  }

  look(): never {
    throw new Error('this engine is for training alone');
  }

  async readAdapter(): Promise<Result<Adapter>> {
    if (this.#adapter === null) throw new Error('no adapter was written');
    const { told, body } = await this.torch.ask({ what: 'read' });
    const values = new Float32Array(body.buffer);
    const parameters = new Map<string, NdArray>();
    const moments = new Map<string, Moments>();
    let at = 0;
    const entries = told['tensors'] as { name: string; shape: number[]; steps: number }[];
    for (const { name, shape, steps } of entries) {
      const [value, m, v] = [0, 1, 2].map((i) => {
        const begin = at + i * sizeOf(shape);
        return values.slice(begin, begin + sizeOf(shape));
      }) as [Float32Array, Float32Array, Float32Array];
      at += 3 * sizeOf(shape);
      parameters.set(name, ndArray(shape, value));
      if (steps > 0) moments.set(name, { m, v, steps });
    }
    return ok({ ...withParameters(this.#adapter, parameters), moments });
  }

  async writeAdapter(adapter: Adapter): Promise<Result<void>> {
    this.#adapter = adapter;
    const modules = adapter.modules.map(({ name, branches }) => ({
      name,
      branches: branches.map(({ index }) => index),
    }));
    const parts = [...parametersOf(adapter)].flatMap(([name, { shape, data }]) => {
      const known = adapter.moments.get(name);
      const value = { name, shape, steps: known?.steps ?? 0, data };
      return known === undefined
        ? [value]
        : [
            value,
            { name: `${name}/m`, shape, steps: 0, data: known.m },
            { name: `${name}/v`, shape, steps: 0, data: known.v },
          ];
    });
    const tensors = parts.map(({ name, shape, steps }) => ({ name, shape, steps }));
    await this.torch.ask({ what: 'write', modules, tensors }, ...parts.map(({ data }) => data));
    return ok(undefined);
  }

  memory(): ReturnType<Engine['memory']> {
    return { bufferBytes: 0, peakBufferBytes: 0, count: 0 };
  }

  memoryPlan(): null {
    return null;
  }

  release(): void {
    // The next `prepare` replaces what is there.
  }

  dispose(): void {
    // The process is whose it is: other runs follow on it.
  }
}
