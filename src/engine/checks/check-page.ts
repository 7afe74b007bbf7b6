// The engine's checks in a real browser: a page that runs the same bodies as the unit tests, on WebGPU. For
// tests only; e2e/engine.spec.ts serves it, with the reference folder under /reference/.
import { present } from '../../shared/assert.ts';
import { AutodiffEngine } from '../autodiff/autodiff-engine.ts';
import { startBackend, type Backend } from '../autodiff/backend.ts';
import { checkDevice } from '../check-device.ts';
import { openGpu, type Gpu } from '../gpu.ts';
import { KernelEngine } from '../kernels/kernels-engine.ts';
import { checkVariant, families } from './family-checks.ts';
import { allTiles, checkStepEnd, checkTile, fixedShapes, kernelChecks, quickTiles } from './kernel-checks.ts';
import { checkCrops } from './patch-checks.ts';
import { gpuVariants, likeGpu, planChecks } from './plan-checks.ts';
import { smallestTuning, type Tuning } from '../kernels/tuning/tuning.ts';
import { makeEngine } from '../make-engine.ts';
import type { Engine, EngineName } from '../engine.ts';
import { checkEveryLoss, checkLossInFlight, shortRecipe } from '../../train/testing/resume-checks.ts';
import { checkEveryState } from '../../runs/testing/every-state.ts';
import { checkDeit } from './deit-checks.ts';
import { checkLook, checkLookChangesNothing } from './look-checks.ts';
import { readMicroModel, type ReadFile } from './reference.ts';
import { referenceChecks } from './reference-checks.ts';
import { tunedChecks } from './tuned-checks.ts';
import type { Figures } from './setting.ts';
import { checkTransaction } from './transaction-checks.ts';
import { tryKernel, type KernelRequest, type Tried } from './try-kernel.ts';
import { unwrap } from '../../shared/result.ts';

export interface CheckPage {
  readonly names: readonly string[];
  /** Runs one check on WebGPU; throws with the tensor that is off. */
  run(name: string, engine: EngineName, slack: number): Promise<Figures>;
  /**
   * DeiT-Tiny's logits on the kernel engine, from the folder under /deit/; largest differences. Throws beyond
   * the tolerance.
   */
  deit(folder: string, tolerance: number): Promise<readonly [bytes: number, pixels: number]>;
  /**
   * The kernel engine's plans that need less memory, by the names of plan-checks.ts, and the kernels that a GPU
   * would choose where all are asked for; throws with the tensor that is off.
   */
  plans(variants: 'quick' | 'all'): Promise<Readonly<Record<string, Figures>>>;
  /**
   * Kernels and tiles one by one against float64, over a few fixed shapes; milliseconds by name. Throws with
   * what is off.
   */
  kernels(tiles: 'quick' | 'all'): Promise<Readonly<Record<string, number>>>;
  /** One kernel beside float64, for `npm run kernel`. Throws with what is wrong in the request. */
  tryKernel(request: KernelRequest): Promise<Tried>;
  /**
   * The kernels of every family against the autodiff engine on the processor; milliseconds by name. Throws
   * with what is off.
   */
  families(): Promise<Readonly<Record<string, number>>>;
  /**
   * Where the micro ViT looks, against PyTorch, on an engine; largest differences. Throws with the map that is
   * off, or with what a look changed.
   */
  look(engine: EngineName): Promise<Figures>;
  /** What the check of a device says about this one; null when nothing is wrong. */
  device(): Promise<string | null>;
  /** Lets the GPU fail in every way that a page can bring about; gives what was shown. */
  transaction(engine: EngineName): Promise<string[]>;
  /**
   * Takes the device from a run on the kernel engine at every call in turn; gives the calls. Throws with what
   * came out otherwise.
   */
  resume(): Promise<readonly string[]>;
  /**
   * Saves a run on the kernel engine at every state and goes on from the bytes of each, with its moments and
   * without; gives how many. Throws with what came out otherwise.
   */
  everyState(): Promise<{ readonly states: number; readonly cold: number }>;
}

declare global {
  interface Window {
    engineChecks: CheckPage;
  }
}

const readFrom =
  (folder: string): ReadFile =>
  async (name) => {
    const response = await fetch(`/${folder}/${name}`);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response.blob();
  };
const read = readFrom('reference');

let device: Promise<Gpu> | null = null;

/** One device for all checks; closing it does nothing. */
function gpuOfPage(): Promise<Gpu> {
  device ??= openGpu().then((gpu) => ({ ...unwrap(gpu), close: () => undefined }));
  return device;
}

/** Kernel engines on one device, so that each kernel is compiled once; closing it does nothing. */
async function kernels(tuning?: Tuning): Promise<KernelEngine> {
  return new KernelEngine(await gpuOfPage(), tuning);
}

let backend: Promise<Backend> | null = null;

/** Autodiff engines on one backend of tfjs, for the same reason. */
async function autodiffOnWebGpu(): Promise<AutodiffEngine> {
  backend ??= startBackend('webgpu', '').then((started) => ({ ...unwrap(started), close: () => undefined }));
  return new AutodiffEngine(await backend);
}

const checks = new Map(Object.entries({ ...referenceChecks, ...tunedChecks }));

window.engineChecks = {
  names: [...checks.keys()],
  async run(name, engine, slack) {
    const check = checks.get(name);
    if (check === undefined) throw new Error(`there is no check "${name}"`);
    return check({ makeEngine: engine === 'kernels' ? () => kernels() : autodiffOnWebGpu, read, slack });
  },
  deit: (folder, tolerance) => checkDeit(readFrom('deit'), () => kernels(), folder, tolerance),
  async plans(variants) {
    const figures: Record<string, Figures> = {};
    for (const [name, check] of Object.entries(planChecks)) {
      const startedAt = performance.now();
      figures[name] = {
        ...(await check(async (way) =>
          way === 'like-gpu' ? likeGpu(await gpuOfPage()) : kernels(smallestTuning),
        )),
        ms: performance.now() - startedAt,
      };
    }
    // 250 times what float32 is allowed: 5e-3 of the largest gradient, the error of float16 through the
    // blocks.
    const memory = { budgetBytes: null, float16: 'always' } as const;
    const setting = { makeEngine: () => kernels(smallestTuning), read, slack: 250, shapes: { memory } };
    const { features, adapterInfo } = (await gpuOfPage()).device;
    const canShare = features.has('subgroups') && adapterInfo.subgroupMinSize >= 4;
    for (const [name, tuning] of Object.entries(gpuVariants))
      if (variants === 'all' && (canShare || tuning.attentionSplit[0] === 1))
        figures[name] = await referenceChecks['logits and gradients']({
          makeEngine: () => kernels(tuning),
          read,
          slack: 10,
        });
    figures['reference vectors in float16'] = await referenceChecks['logits and gradients'](setting);
    return figures;
  },
  async kernels(tiles) {
    const { device } = await gpuOfPage();
    const all: [string, () => Promise<void>][] = [
      ...Object.entries(kernelChecks).flatMap(([name, check]) =>
        fixedShapes.map((shape): [string, () => Promise<void>] => [
          `${name}, ${shape.rows} rows`,
          () => check(device, shape),
        ]),
      ),
      ['the end of a step', () => checkStepEnd(device)],
      ['crops', () => checkCrops(device)],
      ['crops, colours and erased rectangles', () => checkCrops(device, true)],
      ...(tiles === 'all' ? allTiles : quickTiles).map((name): [string, () => Promise<void>] => [
        name,
        () => checkTile(device, name),
      ]),
    ];
    const ms: Record<string, number> = {};
    for (const [name, check] of all) {
      const startedAt = performance.now();
      await check();
      ms[name] = Math.round(performance.now() - startedAt);
    }
    return ms;
  },
  tryKernel: async (request) => tryKernel(await gpuOfPage(), request),
  async families() {
    const oracle = async (): Promise<Engine> =>
      unwrap(await makeEngine({ engine: 'autodiff', backend: 'cpu' }));
    const ms: Record<string, number> = {};
    for (const [name, variant] of Object.entries(families)) {
      const startedAt = performance.now();
      await checkVariant(() => kernels(smallestTuning), oracle, variant);
      ms[name] = Math.round(performance.now() - startedAt);
    }
    return ms;
  },
  async look(engine) {
    const makeEngine = engine === 'kernels' ? () => kernels(smallestTuning) : autodiffOnWebGpu;
    await checkLookChangesNothing(makeEngine);
    return checkLook(makeEngine, readFrom('testdata'));
  },
  device: async () => checkDevice(await gpuOfPage()),
  transaction: (engine) =>
    checkTransaction(async () => {
      if (engine === 'kernels') {
        const gpu = unwrap(await openGpu());
        return { engine: new KernelEngine(gpu, smallestTuning), gpu };
      }
      const backend = unwrap(await startBackend('webgpu', ''));
      return { engine: new AutodiffEngine(backend), gpu: present(backend.gpu, 'gpu') };
    }, read),
  async resume() {
    const input = { model: await readMicroModel(read), makeEngine: () => kernels(smallestTuning) };
    const { calls } = await checkEveryLoss(input);
    await checkLossInFlight({ ...input, recipe: { ...shortRecipe, steps: 80, batch: 2 } });
    return calls;
  },
  everyState: async () =>
    checkEveryState({ model: await readMicroModel(read), makeEngine: () => kernels(smallestTuning) }),
};
