// The promises that every engine keeps, on any backend, as functions that throw: the reference vectors
// (logits, every gradient, the trajectory with drops and second stage, merged weights) and the facts of
// method.md. Vitest runs them on cpu and wasm, a browser page on webgpu; both call the same bodies.
import { allOpen, gatesOf, parametersOf, type Adapter, type Gates } from '../../dmlora/adapter.ts';
import { allBut, asItIs, imagined, type Counterfactual, type Gone } from '../../dmlora/counterfactual.ts';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { mergedWeights } from '../../dmlora/merge.ts';
import { trainsIn } from '../../dmlora/stages.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import { headLogits } from '../../train/linear-probe.ts';
import { classWeights, targetRows } from '../../train/targets.ts';
import type { Batch, StepReport } from '../engine.ts';
import { checkAbsorb } from './absorb-check.ts';
import { checkCrossed } from './crossed-check.ts';
import { factChecks } from './fact-checks.ts';
import { assertClose, largestDifference } from './close.ts';
import {
  adapterFrom,
  batchFrom,
  identityNormalisation,
  numberAt,
  readManifest,
  readMicroModel,
  readTensors,
  tensorOf,
} from './reference.ts';
import { prepared, times, type Figures, type Setting } from './setting.ts';
import { referenceControl, trajectoryChecks } from './trajectory-checks.ts';

/** Gate patterns of the gradient files: g1h0 means gates 1, 1/2, 0. */
const gatePatterns = { g111: [1, 1, 1], g101: [1, 0, 1], g1h0: [1, 0.5, 0] } as const;

/** Of logits, half of it relative to the largest: what an engine loses grows with what it adds up. */
const ofLogits = { abs: 5e-6, rel: 5e-6 };

/** Logits, loss and every gradient of grads_qv and grads_all under three sets of gates. */
async function checkGradients(setting: Setting): Promise<Figures> {
  const figures: Figures = {};
  for (const file of ['grads_qv', 'grads_all']) {
    const tensors = await readTensors(setting.read, `${file}.safetensors`);
    const adapter = adapterFrom(tensors, 'param.');
    const batch = batchFrom(tensors);
    const engine = await prepared(setting, adapter, {
      batch: batch.labels.length,
      classes: tensorOf(tensors, 'param.head.bias').data.length,
    });
    for (const [name, pattern] of Object.entries(gatePatterns)) {
      const gates: Gates = new Map(adapter.modules.map((module) => [module.name, pattern]));
      const { loss, logits, gradients } = unwrap(await engine.gradients(batch, gates));
      const expectedLogits = tensorOf(tensors, `${name}.logits`).data;
      figures[`${file} ${name} logits`] = assertClose(
        `${file} ${name} logits`,
        logits.data,
        expectedLogits,
        times(ofLogits, setting.slack),
      );
      assertClose(
        'loss',
        [loss],
        tensorOf(tensors, `${name}.loss`).data,
        times({ abs: 1e-5, rel: 0 }, setting.slack),
      );
      const names = [...parametersOf(adapter).keys()];
      figures[`${file} ${name} gradients`] = Math.max(
        ...names.map((parameter) =>
          assertClose(
            `${file} ${name} gradient of ${parameter}`,
            present(gradients.get(parameter), `gradient of ${parameter}`).data,
            tensorOf(tensors, `${name}.grad.${parameter}`).data,
            times({ abs: 2e-6, rel: 2e-5 }, setting.slack),
          ),
        ),
      );
      const evaluated = unwrap(await engine.evaluate(batch.pixels, gates));
      assertClose(`${file} ${name} evaluate`, evaluated.data, expectedLogits, times(ofLogits, setting.slack));
      const features = unwrap(await engine.features(batch.pixels, gates));
      assertClose(
        `${file} ${name} head of the features`,
        headLogits(features, adapter.head).data,
        expectedLogits,
        times(ofLogits, setting.slack),
      );
    }
    engine.dispose();
  }
  return figures;
}

/** Cases of make_targets.py: smoothing, whether classes are weighted, whether images are mixed in pairs. */
const targetCases = {
  smoothed: [0.1, false, false],
  weighted: [0, true, false],
  both: [0.3, true, false],
  mixed: [0, false, true],
  all: [0.1, true, true],
} as const;

/** Values of each image, or of its row, with those of its partner. */
function mixedIn(of: Float32Array, partners: Float32Array, share: number): Float32Array<ArrayBuffer> {
  const values = of.length / partners.length;
  return Float32Array.from(of, (own, i) => {
    const other = of[(partners[Math.floor(i / values)] ?? NaN) * values + (i % values)] ?? NaN;
    return share * own + (1 - share) * other;
  });
}

/**
 * Loss and gradients to the targets that a recipe asks for against PyTorch's CrossEntropyLoss; by a step as
 * well as by `gradients`. Hits are those of the labels.
 */
async function checkTargets(setting: Setting): Promise<Figures> {
  const figures: Figures = {};
  const tensors = await readTensors(setting.read, 'grads_qv.safetensors');
  const wanted = await readTensors(setting.read, 'targets.safetensors');
  const manifest = await readManifest(setting.read);
  const adapter = adapterFrom(tensors, 'param.');
  const counts = [...tensorOf(wanted, 'counts').data];
  const weighted = { labelSmoothing: 0, classBalance: 'weights', mixup: 0, cutmix: 0, seed: 1 } as const;
  assertClose('weights', classWeights(counts, weighted), tensorOf(wanted, 'weights').data, {
    abs: 0,
    rel: 1e-6,
  });
  const shapes = { batch: batchFrom(tensors).labels.length, classes: counts.length, targets: true };
  const engine = await prepared(setting, adapter, shapes);
  const [partners, share] = [tensorOf(wanted, 'partners').data, numberAt(wanted, 'share')];
  for (const [name, [smoothing, isWeighted, isMixed]] of Object.entries(targetCases)) {
    const mixed = (of: Float32Array): Float32Array => (isMixed ? mixedIn(of, partners, share) : of);
    const { labels, pixels } = batchFrom(tensors);
    const plain: Batch = {
      labels,
      pixels: { kind: 'normalised', data: mixed(Float32Array.from(pixels.data)) },
    };
    const weights = isWeighted ? classWeights(counts, weighted) : counts.map(() => 1);
    const batch = { ...plain, targets: mixed(targetRows(labels, weights, smoothing)) };
    const { loss, gradients } = unwrap(await engine.gradients(batch, allOpen));
    const expectedLoss = numberAt(wanted, `${name}.loss`);
    const near = times({ abs: 1e-5, rel: 0 }, setting.slack);
    figures[`${name} loss`] = assertClose(`${name} loss`, [loss], [expectedLoss], near);
    const prefix = `${name}.grad.`;
    const names = [...wanted.keys()].filter((key) => key.startsWith(prefix));
    figures[`${name} gradients`] = Math.max(
      ...names.map((key) =>
        assertClose(
          key,
          present(gradients.get(key.slice(prefix.length)), key).data,
          tensorOf(wanted, key).data,
          times({ abs: 2e-6, rel: 2e-5 }, setting.slack),
        ),
      ),
    );
    const told = async (one: Batch): Promise<StepReport> => {
      engine.step(one, referenceControl(manifest, 0, { rate: 0, scalarRate: 0 }, trainsIn(1, 'off'))); // at a rate of 0 nothing moves
      return present((await engine.report()).steps[0], 'report');
    };
    const [toTargets, toLabels] = [await told(batch), await told(plain)];
    assertClose(`${name} loss of the step`, [toTargets.loss], [expectedLoss], near);
    if (toTargets.correct !== toLabels.correct) throw new Error(`${name}: targets change what is right`);
    if (toTargets.loss === toLabels.loss) throw new Error(`${name}: targets change nothing`);
    const drop = unwrap(await engine.loss(batch, allOpen));
    if (drop !== unwrap(await engine.loss(plain, allOpen))) throw new Error(`${name}: a drop sees targets`);
  }
  engine.dispose();
  return figures;
}

/**
 * Merged weights and logits of merged_zero: branched, merged, and both against each other; merging must do
 * something.
 */
async function checkMerge(setting: Setting): Promise<Figures> {
  const manifest = await readManifest(setting.read);
  const run = await readTensors(setting.read, 'train_zero.safetensors');
  const stored = await readTensors(setting.read, 'merged_zero.safetensors');
  const adapter = adapterFrom(run, `after${String(manifest.steps).padStart(2, '0')}.`);
  const images = tensorOf(stored, 'images');
  const pixels = { kind: 'normalised', data: images.data } as const;
  const shapes = { batch: images.shape[0] ?? 1, classes: manifest.classes };
  const model = await readMicroModel(setting.read);

  const engine = await prepared(setting, adapter, shapes);
  const branched = unwrap(await engine.evaluate(pixels, allOpen)).data;
  engine.dispose();

  const merged = mergedWeights(model.weights, adapter);
  const figures: Figures = { weights: 0 };
  for (const [name, { data, shape }] of merged) {
    const [, block, part = ''] = name.split('.');
    const third = ['q', 'k', 'v'].indexOf(part);
    const file = name.startsWith('head')
      ? name
      : `blocks.${block ?? ''}.${third >= 0 ? 'attn.qkv' : part === 'proj' ? 'attn.proj' : `mlp.${part}`}.weight`;
    const rows = tensorOf(stored, `timm.${file}`).data;
    const expected = third >= 0 ? rows.subarray(third * data.length, (third + 1) * data.length) : rows;
    // A product of two parameters that may each be off by the trajectory's 1e-5 (1e-7 here, since they come
    // from the file).
    figures['weights'] = Math.max(
      figures['weights'] ?? 0,
      assertClose(`merged ${name} [${shape.join()}]`, data, expected, { abs: 1e-6, rel: 1e-6 }),
    );
  }

  const plain = await setting.makeEngine();
  const mergedModel = { config: model.config, weights: new Map([...model.weights, ...merged]) };
  const silent: Adapter = {
    ...adapter,
    modules: adapter.modules.map((module) => ({ ...module, scalar: 0 })),
  };
  unwrap(await plain.prepare(mergedModel, silent, identityNormalisation, shapes));
  const afterMerge = unwrap(await plain.evaluate(pixels, allOpen)).data;
  plain.dispose();
  const tolerance = times({ abs: 1e-5, rel: 0 }, setting.slack);
  figures['branched'] = assertClose(
    'branched logits',
    branched,
    tensorOf(stored, 'logits.branched').data,
    tolerance,
  );
  figures['merged'] = assertClose(
    'merged logits',
    afterMerge,
    tensorOf(stored, 'logits.merged').data,
    tolerance,
  );
  figures['branched against merged'] = assertClose(
    'branched against merged',
    afterMerge,
    branched,
    times({ abs: 1e-6, rel: 1e-6 }, Math.max(setting.slack, 2)),
  );

  const base = await prepared(setting, silent, shapes);
  const frozen = unwrap(await base.evaluate(pixels, allOpen)).data;
  base.dispose();
  if (!(largestDifference(frozen, branched) > 1e-3))
    throw new Error('the branches change nothing: this check proves nothing');
  return figures;
}

/**
 * Before the first step (B = 0) the adapted logits are the frozen model's bit for bit, and A and s have no
 * gradient.
 */
async function checkStepZero(setting: Setting): Promise<Figures> {
  const manifest = await readManifest(setting.read);
  const run = await readTensors(setting.read, 'train_zero.safetensors');
  const data = await readTensors(setting.read, 'train_data.safetensors');
  const adapter = adapterFrom(run, 'after00.');
  const batch = batchFrom(data, Float32Array.of(0, 1, 2, 3, 4));
  const shapes = { batch: 5, classes: manifest.classes };
  const engine = await prepared(setting, adapter, shapes);
  const adapted = unwrap(await engine.evaluate(batch.pixels, allOpen)).data;
  const { gradients } = unwrap(await engine.gradients(batch, allOpen));
  engine.dispose();
  const closed: Gates = new Map(
    adapter.modules.map((module) => [module.name, gatesOf(allOpen, module).map(() => 0)]),
  );
  const frozenEngine = await prepared(setting, adapter, shapes);
  const frozen = unwrap(await frozenEngine.evaluate(batch.pixels, closed)).data;
  frozenEngine.dispose();
  if (largestDifference(adapted, frozen) !== 0)
    throw new Error('the adapted logits differ from the frozen ones at step 0');
  let moving = 0;
  for (const [name, { data: values }] of gradients) {
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    if (/\.(A\.\d+|s)$/.test(name) && largest !== 0) throw new Error(`${name} has a gradient at step 0`);
    if (/\.B\.\d+$/.test(name)) moving = Math.max(moving, largest);
  }
  if (!(moving > 0)) throw new Error('no B has a gradient: this check proves nothing');
  return { 'largest gradient of B': moving };
}

/**
 * What branches are for, asked by gates and adapters: all on is the adapter itself bit for bit, also after
 * something else was asked; a module that is off is not there; one alone is what the sum lacks without it;
 * dropped branches that are back are the state just before they left, bit for bit.
 */
async function checkCounterfactual(setting: Setting): Promise<Figures> {
  const tensors = await readTensors(setting.read, 'grads_all.safetensors');
  const adapter = adapterFrom(tensors, 'param.');
  const batch = batchFrom(tensors);
  const shapes = { batch: batch.labels.length, classes: tensorOf(tensors, 'param.head.bias').data.length };
  const engine = await prepared(setting, adapter, shapes);
  const ask = async (
    of: Adapter,
    what: Counterfactual,
    gone: readonly Gone[] = [],
  ): Promise<Float32Array> => {
    const now = imagined(of, gone, what);
    unwrap(await engine.writeAdapter(now.adapter));
    const { data } = unwrap(await engine.evaluate(batch.pixels, now.gates));
    unwrap(await engine.writeAdapter(adapter));
    return data;
  };
  const without = async (modules: Adapter['modules']): Promise<Float32Array> => {
    const plain = await prepared(setting, { ...adapter, modules }, shapes);
    const { data } = unwrap(await plain.evaluate(batch.pixels, allOpen));
    plain.dispose();
    return data;
  };
  const same = (what: string, actual: Float32Array, expected: Float32Array): void => {
    if (largestDifference(actual, expected) !== 0) throw new Error(`${what}: not the same bits`);
  };
  const tolerance = times({ abs: 1e-5, rel: 0 }, setting.slack);
  const figures: Figures = { 'module off': 0, 'smallest effect': Infinity };
  const before = unwrap(await engine.evaluate(batch.pixels, allOpen)).data;
  same('all on', await ask(adapter, asItIs), before);
  for (const module of adapter.modules) {
    const off = module.branches.map(({ index }) => ({ module: module.name, branch: index }));
    const logits = await ask(adapter, { ...asItIs, off });
    const gone = await without(adapter.modules.filter(({ name }) => name !== module.name));
    figures['module off'] = Math.max(
      figures['module off'] ?? 0,
      assertClose(`${module.name} off`, logits, gone, tolerance),
    );
    const silent = await ask(adapter, { ...asItIs, scalars: new Map([[module.name, 0]]) });
    assertClose(`${module.name} with scalar 0`, silent, gone, tolerance);
    figures['smallest effect'] = Math.min(figures['smallest effect'] ?? 0, largestDifference(logits, before));
  }
  if (!(present(figures['smallest effect'], 'effect') > 1e-4))
    throw new Error('a module changes nothing: this check proves nothing');
  const all = adapter.modules.flatMap(({ name, branches }) =>
    branches.map(({ index }) => ({ module: name, branch: index })),
  );
  const [one] = adapter.modules.slice(-1);
  const kept = all.filter(({ module, branch }) => module === one?.name && branch === 0);
  figures['one branch alone'] = assertClose(
    'one branch alone',
    await ask(adapter, { ...asItIs, off: allBut(all, kept) }),
    await without(
      adapter.modules
        .slice(-1)
        .map((module) => ({ ...module, branches: module.branches.filter(({ index }) => index === 0) })),
    ),
    tolerance,
  );
  const drops = new Map(adapter.modules.map(({ name }, i) => [name, i % 3]));
  const after = dropBranches(adapter, drops);
  const gone = adapter.modules.flatMap(({ name, branches }) =>
    branches.filter(({ index }) => index === drops.get(name)).map((branch) => ({ module: name, branch })),
  );
  const restored = gone.map(({ module, branch }) => ({ module, branch: branch.index }));
  const dropped = await ask(after, asItIs, gone);
  if (!(largestDifference(dropped, before) > 1e-4)) throw new Error('the drop changes nothing');
  same('dropped ones back', await ask(after, { ...asItIs, restored }, gone), before);
  same('after all that', unwrap(await engine.evaluate(batch.pixels, allOpen)).data, before);
  engine.dispose();
  return figures;
}

export const referenceChecks = {
  'step zero': checkStepZero,
  'logits and gradients': checkGradients,
  targets: checkTargets,
  ...trajectoryChecks,
  absorb: checkAbsorb,
  crossed: checkCrossed,
  merge: checkMerge,
  counterfactual: checkCounterfactual,
  ...factChecks,
} as const;
