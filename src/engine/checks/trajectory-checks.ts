// The trajectory of the reference vectors on an engine: 30 steps with drops and a second stage, in each
// reading of the method that has one. Functions that throw.
import {
  allOpen,
  parametersOf,
  resolvedGates,
  type Adapter,
  type Gates,
  type Scaling,
  type Trains,
} from '../../dmlora/adapter.ts';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { beginFading, fadedTo } from '../../dmlora/fading.ts';
import { tunedStart, type Tune } from '../../dmlora/tuned.ts';
import { enterStage2, trainsIn } from '../../dmlora/stages.ts';
import { isCrossed, sideGatesOf } from '../../dmlora/crossed.ts';
import { stochasticGates } from '../../dmlora/stochastic-gates.ts';
import type { DmloraOptions } from '../../recipe/recipe.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import type { Batch, StepControl } from '../engine.ts';
import { assertClose } from './close.ts';
import {
  adapterFrom,
  batchFrom,
  numberAt,
  readManifest,
  readMicroModel,
  readTensors,
  tensorOf,
  type Manifest,
  type Tensors,
  type TrajectoryFile,
} from './reference.ts';
import { prepared, times, type Figures, type Setting } from './setting.ts';

/** What the reference run tells the optimiser at a step. */
export function referenceControl(
  manifest: Manifest,
  step: number,
  { rate, scalarRate }: { readonly rate: number; readonly scalarRate: number },
  trains: Trains,
): StepControl {
  return {
    step,
    trains,
    learningRate: rate,
    headRate: rate,
    scalarRate,
    weightDecay: manifest.weightDecay,
    clipNorm: manifest.clip,
    scalarLimit: 10,
    gates: allOpen,
  };
}

/** How the method is read in a run of the vectors, where otherwise than in the first one. */
interface Reading {
  readonly dropEffect?: DmloraOptions['dropEffect'] | 'stochastic';
  readonly scaling?: Scaling;
  readonly scalars?: DmloraOptions['scalars'];
  /** The name of a module's scalar. */
  readonly sharedScalar?: (module: string) => string;
  /** Of gates that are drawn: each side's. */
  readonly crossed?: boolean;
  /** Without drops; each step leaves something out. */
  readonly noisy?: boolean;
  /** What learns of the backbone; the run has drops only where it has branches. */
  readonly tune?: Tune;
  readonly branches?: boolean;
}

/**
 * The 30-step trajectory: losses, gradient norms, clip factors, parameters and moments at every snapshot, the
 * losses around each drop. The rates come from the file, so a wrong schedule cannot hide here (it has a test
 * of its own). Parameters are compared within the tolerance that the vectors ask, or four times what a float32
 * program on a CPU was measured to be off at the snapshot, where that is more: early in a run Adam divides tiny
 * gradients by tiny roots, and rounding shows in the quotient.
 */
export async function followTrajectory(
  setting: Setting,
  file: TrajectoryFile,
  tolerance: number,
  {
    dropEffect: effect = 'zero',
    scaling,
    scalars = 'train-then-scale',
    sharedScalar,
    crossed = false,
    noisy = false,
    tune = 'none',
    branches = true,
  }: Reading = {},
): Promise<Figures> {
  const manifest = await readManifest(setting.read);
  const data = await readTensors(setting.read, 'train_data.safetensors');
  const run = await readTensors(setting.read, `${file}.safetensors`);
  const float32 = manifest.float32Parameters(file);
  const orders = tensorOf(data, 'order');
  const batchSize = present(orders.shape[1], 'batch size');
  const batchAt = (step: number): Batch =>
    batchFrom(data, orders.data.subarray(step * batchSize, (step + 1) * batchSize));
  const zero = await readTensors(setting.read, 'train_zero.safetensors');
  const plain = adapterFrom(zero, 'after00.');
  const start: Adapter = {
    ...plain,
    ...tunedStart(await readMicroModel(setting.read), tune),
    modules: (branches ? plain.modules : []).map((module) => ({
      ...module,
      ...(scaling === undefined ? {} : { scaling }),
      ...(sharedScalar === undefined ? {} : { sharedScalar: sharedScalar(module.name) }),
      ...(crossed ? { crossed: true as const } : {}),
    })),
  };
  const engine = await prepared(setting, start, {
    batch: batchSize,
    classes: manifest.classes,
    noise: { path: noisy, input: noisy },
  });
  const isDropping = branches && !noisy && effect !== 'stochastic';
  const stage2 = Math.round(manifest.stage2 * manifest.steps);
  const worst: Figures = { loss: 0, norm: 0, parameters: 0, moments: 0, drops: 0 };
  const note = (key: string, value: number): void => {
    worst[key] = Math.max(worst[key] ?? 0, value);
  };
  const snapshot = async (tag: string): Promise<void> => {
    if (![...run.keys()].some((name) => name.startsWith(`${tag}.head`))) return;
    const adapter = unwrap(await engine.readAdapter());
    note(
      'parameters',
      compareParameters(tag, adapter, run, Math.max(tolerance, 4 * (float32.get(tag) ?? 0)) * setting.slack),
    );
    note('moments', compareMoments(tag, adapter, run, setting.slack));
  };
  await snapshot('after00');
  for (let step = 0; step < manifest.steps; step++) {
    const batch = batchAt(step);
    const read = async (): Promise<Adapter> => unwrap(await engine.readAdapter());
    const fade = effect === 'fade' ? manifest.fade : 0;
    const happening = isDropping ? manifest.drops : new Map<number, ReadonlyMap<string, number>>();
    const begun = fade === 0 ? undefined : happening.get(step);
    if (begun !== undefined) {
      const event = { begin: step, step: step + fade, drops: begun };
      unwrap(await engine.writeAdapter(beginFading(await read(), event, begun)));
    }
    const drops = happening.get(step - fade);
    if (drops !== undefined && effect !== 'stochastic') {
      if (fade > 0) unwrap(await engine.writeAdapter(fadedTo(await read(), step - 1)));
      const before = unwrap(await engine.loss(batch, allOpen));
      unwrap(await engine.writeAdapter(dropBranches(await read(), drops, effect)));
      const after = unwrap(await engine.loss(batch, allOpen));
      const tag = `drop${String(step).padStart(2, '0')}`;
      note(
        'drops',
        assertClose(
          `${tag} loss`,
          [before, after],
          tensorOf(run, `${tag}.loss`).data,
          times({ abs: 2e-6, rel: 1e-5 }, setting.slack),
        ),
      );
      await snapshot(tag);
    }
    if (step === stage2 && scalars !== 'joint')
      unwrap(await engine.writeAdapter(enterStage2(await read(), scalars, start)));
    const rates = { rate: numberAt(run, 'lr', step), scalarRate: numberAt(run, 'lr_s', step) };
    const control = referenceControl(manifest, step, rates, trainsIn(step >= stage2 ? 2 : 1, scalars));
    const gates =
      effect === 'stochastic' && step < stage2
        ? drawnGates(manifest, run, await read(), step)
        : fade === 0
          ? allOpen
          : resolvedGates(fadedTo(await read(), step), allOpen);
    const noise = noisy ? { ...manifest.noise, step } : undefined;
    engine.step({ ...batch, noise }, { ...control, gates });
    const { steps, fault } = await engine.report();
    if (fault !== null) unwrap({ ok: false, fault });
    const report = present(steps[0], `report of step ${step}`);
    const scalarTolerance = times({ abs: 2e-6, rel: 1e-5 }, setting.slack);
    note(
      'loss',
      assertClose(`loss of step ${step}`, [report.loss], [numberAt(run, 'loss', step)], scalarTolerance),
    );
    note(
      'norm',
      assertClose(
        `norm of step ${step}`,
        [report.gradientNorm],
        [numberAt(run, 'grad_norm', step)],
        scalarTolerance,
      ),
    );
    assertClose(
      `clip of step ${step}`,
      [report.clipScale],
      [numberAt(run, 'clip_scale', step)],
      times({ abs: 1e-5, rel: 1e-5 }, setting.slack),
    );
    await snapshot(`after${String(step + 1).padStart(2, '0')}`);
  }
  engine.dispose();
  return worst;
}

/** The gates of a step, which are those of the reference. */
function drawnGates(
  { stochastic, crossed, steps }: Manifest,
  run: Tensors,
  adapter: Adapter,
  step: number,
): Gates {
  const { seed, rate: dropRate, window } = isCrossed(adapter) ? { ...crossed, window: null } : stochastic;
  const gates =
    window === null
      ? stochasticGates(adapter, { dropMode: 'constant', dropRate, dropWindow: [0, 1] }, step, steps, seed)
      : stochasticGates(
          adapter,
          { dropMode: 'stochastic', dropRate, dropWindow: [...window] },
          step,
          steps,
          seed,
        );
  for (const module of adapter.modules) {
    const { down, up } = sideGatesOf(gates, module);
    const sides = module.crossed === true ? ({ '.down': down, '.up': up } as const) : { '': down };
    for (const [side, own] of Object.entries(sides)) {
      const expected = tensorOf(run, `gates${side}.${module.name}`);
      const row = expected.data.subarray(step * own.length, (step + 1) * own.length);
      assertClose(`gates${side} of step ${step} of ${module.name}`, own, row, { abs: 1e-6, rel: 1e-6 });
    }
  }
  return gates;
}

function compareParameters(tag: string, adapter: Adapter, run: Tensors, tolerance: number): number {
  const parameters = parametersOf(adapter);
  const stored = [...run.keys()].filter((name) =>
    new RegExp(`^${tag}\\.(blocks|head|all|backbone)`).test(name),
  );
  if (stored.length !== parameters.size)
    throw new Error(`${tag}: ${parameters.size} parameters are live, the reference has ${stored.length}`);
  return Math.max(
    ...stored
      .filter((name) => !hasNoGradient(name))
      .map((name) =>
        assertClose(
          name,
          present(parameters.get(name.slice(tag.length + 1)), name).data,
          tensorOf(run, name).data,
          { abs: tolerance, rel: 0 },
        ),
      ),
  );
}

/**
 * A bias of k adds the same to all scores of a query: no softmax changes. What float32 finds as its gradient
 * is noise, of which Adam makes steps that change nothing either.
 */
const hasNoGradient = (name: string): boolean => name.endsWith('.k.bias');

/** Moments are gradients and their squares: relative to their own size, as the gradients' tolerance is. */
function compareMoments(tag: string, adapter: Adapter, run: Tensors, slack: number): number {
  const names = [...run.keys()]
    .filter((name) => name.startsWith(`${tag}.t.`))
    .map((name) => name.slice(tag.length + 3));
  if (names.length > 0 && names.length !== adapter.moments.size)
    throw new Error(
      `${tag}: ${adapter.moments.size} parameters have moments, the reference has ${names.length}`,
    );
  let worst = 0;
  for (const name of names) {
    const { m, v, steps } = present(adapter.moments.get(name), `moments of ${name}`);
    if (steps !== numberAt(run, `${tag}.t.${name}`))
      throw new Error(`${tag}: ${name} has seen ${steps} steps`);
    worst = Math.max(
      worst,
      assertClose(`${tag} m of ${name}`, m, tensorOf(run, `${tag}.m.${name}`).data, {
        abs: 2e-6 * slack,
        rel: 1e-4 * slack,
      }),
      assertClose(`${tag} v of ${name}`, v, tensorOf(run, `${tag}.v.${name}`).data, {
        abs: 2e-6 * slack,
        rel: 1e-4 * slack,
      }),
    );
  }
  return worst;
}

/** The run of the vectors in every reading of the method that has one. */
export const trajectoryChecks = {
  trajectory: (setting: Setting) => followTrajectory(setting, 'train_zero', 1e-5),
  'stochastic trajectory': (setting: Setting) =>
    followTrajectory(setting, 'train_stochastic', 1e-5, { dropEffect: 'stochastic' }),
  'crossed trajectory': (setting: Setting) =>
    followTrajectory(setting, 'train_crossed', 1e-5, {
      dropEffect: 'stochastic',
      crossed: true,
      scaling: { by: 'rslora', alpha: 3 },
    }),
  'trajectory of steps that leave something out': (setting: Setting) =>
    followTrajectory(setting, 'train_noise', 1e-5, { noisy: true }),
  'fading trajectory': (setting: Setting) =>
    followTrajectory(setting, 'train_fade', 1e-5, { dropEffect: 'fade' }),
  'absorbing trajectory': (setting: Setting) =>
    followTrajectory(setting, 'train_absorb', 1e-5, { dropEffect: 'absorb' }),
  'folding trajectory': (setting: Setting) =>
    followTrajectory(setting, 'train_svdfold', 3e-5, { dropEffect: 'svd-fold' }),
  'trajectory scaled as in rsLoRA': (setting: Setting) =>
    followTrajectory(setting, 'train_rslora', 1e-5, { scaling: { by: 'rslora', alpha: 3 } }),
  'trajectory of branches and scalars of blocks together': (setting: Setting) =>
    followTrajectory(setting, 'train_joint', 1e-5, {
      scalars: 'joint',
      sharedScalar: (module) => `${module.split('.').slice(0, 2).join('.')}.s`,
    }),
  'trajectory of branches afresh beside one learned scalar': (setting: Setting) =>
    followTrajectory(setting, 'train_retrain', 1e-5, {
      scalars: 'scale-then-retrain',
      sharedScalar: () => 'all.s',
    }),
} as const;
