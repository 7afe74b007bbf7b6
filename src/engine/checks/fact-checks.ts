// Facts of the method that hold without any vector, on an engine: branches that nothing drops are one LoRA of
// all their ranks, gradients are slopes of the loss, and no step touches the backbone. Functions that throw.
import { allOpen, parametersOf, withParameters, type Adapter, type Gates } from '../../dmlora/adapter.ts';
import { stackedLora } from '../../dmlora/stacked-lora.ts';
import { enterStage2, trainsIn } from '../../dmlora/stages.ts';
import { ndArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import type { Batch, Engine, StepReport } from '../engine.ts';
import { assertClose, largestDifference } from './close.ts';
import { asCrossed } from './crossed-check.ts';
import { adapterFrom, batchFrom, readManifest, readTensors, type Manifest } from './reference.ts';
import { prepared, times, type Figures, type Setting } from './setting.ts';
import { referenceControl } from './trajectory-checks.ts';

interface Given {
  readonly manifest: Manifest;
  /** Three branches of rank 2 on all linears, nothing of them zero. */
  readonly adapter: Adapter;
  readonly batch: Batch;
}

async function given({ read }: Setting): Promise<Given> {
  const tensors = await readTensors(read, 'grads_all.safetensors');
  return {
    manifest: await readManifest(read),
    adapter: adapterFrom(tensors, 'param.'),
    batch: batchFrom(tensors),
  };
}

const shapesOf = ({ manifest, batch }: Given) => ({ batch: batch.labels.length, classes: manifest.classes });

async function stepsOf(
  engine: Engine,
  { manifest, batch }: Given,
  stage: 1 | 2,
  steps: number,
): Promise<StepReport[]> {
  const done: StepReport[] = [];
  for (let step = 0; step < steps; step++) {
    const rates = { rate: manifest.lr, scalarRate: 1e-2 };
    engine.step(batch, referenceControl(manifest, step, rates, trainsIn(stage, 'train-then-scale')));
    const { steps: reports, fault } = await engine.report();
    if (fault !== null) unwrap({ ok: false, fault });
    done.push(present(reports[0], 'a report'));
  }
  return done;
}

/** Each module's branches as one branch: A below each other, B side by side, and the scalar where it was. */
const asOneBranch = (adapter: Adapter): Adapter => ({
  ...adapter,
  modules: adapter.modules.map((module) => ({
    ...module,
    branches: [{ index: 0, ...stackedLora({ ...module, scalar: 1 }) }],
  })),
});

/** K branches of rank r without drops take the steps of one of rank K r under Adam. */
async function checkOneLora(setting: Setting): Promise<Figures> {
  const all = await given(setting);
  const [parted, whole] = await Promise.all([
    prepared(setting, all.adapter, shapesOf(all)),
    prepared(setting, asOneBranch(all.adapter), shapesOf(all)),
  ]);
  const [a, b] = [await stepsOf(parted, all, 1, 6), await stepsOf(whole, all, 1, 6)];
  const near = times({ abs: 2e-6, rel: 1e-5 }, setting.slack);
  const figures: Figures = {
    losses: assertClose(
      'losses',
      a.map(({ loss }) => loss),
      b.map(({ loss }) => loss),
      near,
    ),
    norms: assertClose(
      'norms',
      a.map(({ gradientNorm }) => gradientNorm),
      b.map(({ gradientNorm }) => gradientNorm),
      near,
    ),
  };
  if (!(Math.abs((a[0]?.loss ?? NaN) - (a[5]?.loss ?? NaN)) > 1e-3))
    throw new Error('six steps change nothing');
  const [stacked, one] = [asOneBranch(unwrap(await parted.readAdapter())), unwrap(await whole.readAdapter())];
  const expected = parametersOf(one);
  figures['parameters'] = Math.max(
    ...[...parametersOf(stacked)].map(([name, { data }]) =>
      assertClose(name, data, present(expected.get(name), name).data, { abs: 1e-5 * setting.slack, rel: 0 }),
    ),
  );
  parted.dispose();
  whole.dispose();
  return figures;
}

/** The kinds of parameters, each with a direction of its own. */
const kinds = { A: /\.A\.\d+$/, B: /\.B\.\d+$/, s: /\.s$/, head: /^head\./ } as const;

/**
 * Gradients of A, B, s and the head against slopes of the loss along them, by central differences, at gates 1, 1/2
 * and 0: to 1e-3, the method's bound, since float32 losses differ by rounding.
 */
async function checkSlopes(setting: Setting, crossed = false): Promise<Figures> {
  const all = await given(setting);
  const { batch } = all;
  const adapter = crossed ? asCrossed(all.adapter) : all.adapter;
  const engine = await prepared(setting, adapter, shapesOf(all));
  const [down, up] = [
    [1, 0.5, 0],
    [0, 1, 0.5],
  ];
  const gates: Gates = new Map(adapter.modules.map(({ name }) => [name, crossed ? { down, up } : down]));
  const { gradients } = unwrap(await engine.gradients(batch, gates));
  const figures: Figures = {};
  for (const [kind, pattern] of Object.entries(kinds)) {
    const along = [...gradients].filter(([name]) => pattern.test(name));
    const squares = along.reduce(
      (sum, [, { data }]) => data.reduce((part, value) => part + value ** 2, sum),
      0,
    );
    const length = Math.sqrt(squares);
    const moved = async (by: number): Promise<number> => {
      const parameters = new Map(parametersOf(adapter));
      for (const [name, { shape, data }] of along) {
        const from = present(parameters.get(name), name).data;
        parameters.set(
          name,
          ndArray(
            shape,
            data.map((value, i) => (from[i] ?? NaN) + (by / length) * value),
          ),
        );
      }
      unwrap(await engine.writeAdapter(withParameters(adapter, parameters)));
      return unwrap(await engine.loss(batch, gates));
    };
    // The loss changes by about a hundredth.
    const step = Math.min(0.02, 0.01 / length);
    const [far, near] = [
      ((await moved(2 * step)) - (await moved(-2 * step))) / (4 * step),
      ((await moved(step)) - (await moved(-step))) / (2 * step),
    ];
    figures[kind] = assertClose(`slope along ${kind}`, [(4 * near - far) / 3], [length], {
      abs: 0,
      rel: 1e-3,
    });
  }
  engine.dispose();
  return figures;
}

/** After steps of both stages the model below the branches answers what it answered, bit for bit. */
async function checkBackbone(setting: Setting): Promise<Figures> {
  const all = await given(setting);
  const { adapter, batch } = all;
  const engine = await prepared(setting, adapter, shapesOf(all));
  const closed: Gates = new Map(adapter.modules.map(({ name, branches }) => [name, branches.map(() => 0)]));
  const below = async (): Promise<Float32Array> => unwrap(await engine.features(batch.pixels, closed)).data;
  const before = await below();
  const adapted = unwrap(await engine.features(batch.pixels, allOpen)).data;
  await stepsOf(engine, all, 1, 3);
  unwrap(
    await engine.writeAdapter(enterStage2(unwrap(await engine.readAdapter()), 'train-then-scale', adapter)),
  );
  await stepsOf(engine, all, 2, 3);
  const changed = largestDifference(unwrap(await engine.features(batch.pixels, allOpen)).data, adapted);
  if (largestDifference(await below(), before) !== 0) throw new Error('steps changed the backbone');
  if (!(changed > 1e-3)) throw new Error('the steps changed nothing: this check proves nothing');
  engine.dispose();
  return { 'change by the branches': changed };
}

export const factChecks = {
  'branches as one LoRA': checkOneLora,
  'gradients as slopes': (setting: Setting) => checkSlopes(setting),
  'gradients of crossed branches as slopes': (setting: Setting) => checkSlopes(setting, true),
  'frozen backbone': checkBackbone,
} as const;
