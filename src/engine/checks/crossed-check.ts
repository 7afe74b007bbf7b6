// What must hold of crossed branches, on every engine. A function that throws.
import { allOpen, paramNames, parametersOf, type Adapter, type Gates } from '../../dmlora/adapter.ts';
import { pairedForm } from '../../dmlora/crossed.ts';
import { mergedWeights } from '../../dmlora/merge.ts';
import { zeros } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import { assertClose, largestDifference } from './close.ts';
import {
  adapterFrom,
  batchFrom,
  identityNormalisation,
  readMicroModel,
  readTensors,
  tensorOf,
} from './reference.ts';
import { prepared, times, type Figures, type Setting } from './setting.ts';

/** The adapter with its branches crossed. */
export const asCrossed = (adapter: Adapter): Adapter => ({
  ...adapter,
  modules: adapter.modules.map((module) => ({ ...module, crossed: true })),
});

/**
 * Logits and gradients with gates of both sides are those of the vectors; with all gates open the answers
 * are those of the sums as one branch and of merged weights; a branch that is off is not there; and what was written
 * is read back as it was.
 */
export async function checkCrossed(setting: Setting): Promise<Figures> {
  const tensors = await readTensors(setting.read, 'crossed.safetensors');
  const adapter = asCrossed(adapterFrom(tensors, 'param.'));
  const batch = batchFrom(tensors);
  const shapes = { batch: batch.labels.length, classes: tensorOf(tensors, 'param.head.bias').data.length };
  const [engine, other] = [await prepared(setting, adapter, shapes), await setting.makeEngine()];
  const gates: Gates = new Map(
    adapter.modules.map(({ name }) => [
      name,
      {
        down: [...tensorOf(tensors, `gate.down.${name}`).data],
        up: [...tensorOf(tensors, `gate.up.${name}`).data],
      },
    ]),
  );
  const ofLogits = times({ abs: 2e-5, rel: 5e-6 }, setting.slack);
  const { loss, logits, gradients } = unwrap(await engine.gradients(batch, gates));
  const expected = tensorOf(tensors, 'crossed.logits').data;
  const figures: Figures = { logits: assertClose('crossed logits', logits.data, expected, ofLogits) };
  assertClose(
    'crossed loss',
    [loss],
    tensorOf(tensors, 'crossed.loss').data,
    times({ abs: 1e-5, rel: 0 }, setting.slack),
  );
  figures['gradients'] = Math.max(
    ...[...parametersOf(adapter).keys()].map((name) =>
      assertClose(
        `crossed gradient of ${name}`,
        present(gradients.get(name), name).data,
        tensorOf(tensors, `crossed.grad.${name}`).data,
        times({ abs: 5e-6, rel: 5e-5 }, setting.slack),
      ),
    ),
  );
  assertClose(
    'crossed evaluate',
    unwrap(await engine.evaluate(batch.pixels, gates)).data,
    expected,
    ofLogits,
  );

  const model = await readMicroModel(setting.read);
  const open = unwrap(await engine.evaluate(batch.pixels, allOpen)).data;
  if (!(largestDifference(open, expected) > 1e-3))
    throw new Error('gates change nothing: this check proves nothing');
  const answers = async (
    what: string,
    of: Adapter,
    to: Float32Array,
    weights = model.weights,
  ): Promise<void> => {
    const shape = { ...shapes, ...setting.shapes };
    unwrap(await other.prepare({ ...model, weights }, of, identityNormalisation, shape));
    figures[what] = assertClose(what, unwrap(await other.evaluate(batch.pixels, allOpen)).data, to, ofLogits);
  };
  await answers(
    'as one branch',
    { ...adapter, modules: adapter.modules.map((one) => pairedForm(one).module) },
    open,
  );
  other.release();
  const silent = { ...adapter, modules: adapter.modules.map((module) => ({ ...module, scalar: 0 })) };
  await answers(
    'merged',
    silent,
    open,
    new Map([...model.weights, ...mergedWeights(model.weights, adapter)]),
  );
  other.release();
  const off = unwrap(
    await engine.evaluate(batch.pixels, new Map(adapter.modules.map(({ name }) => [name, [1, 0, 1]]))),
  ).data;
  const without = adapter.modules.map((one) => ({
    ...one,
    branches: one.branches.filter(({ index }) => index !== 1),
  }));
  await answers('one branch off', { ...adapter, modules: without }, off);
  const read = unwrap(await engine.readAdapter());
  for (const [name, { data }] of parametersOf(adapter))
    if (largestDifference(present(parametersOf(read).get(name), name).data, data) !== 0)
      throw new Error(`${name} is not read back as it was written`);
  // With B = 0 and nothing left out all up matrices get one gradient: why the recipe asks for drawn gates.
  const begun = adapter.modules.map((module) => ({
    ...module,
    branches: module.branches.map((one) => ({ ...one, B: zeros(one.B.shape) })),
  }));
  unwrap(await engine.writeAdapter({ ...adapter, modules: begun }));
  const upGradients = async (of: Gates): Promise<boolean> => {
    const { gradients: all } = unwrap(await engine.gradients(batch, of));
    return begun.every(({ name }) => {
      const [one, two] = [0, 1].map((k) => present(all.get(paramNames.up(name, k)), name).data);
      return largestDifference(present(one, name), present(two, name)) === 0;
    });
  };
  if (!(await upGradients(allOpen)))
    throw new Error('up matrices of branches that are all in learn differently');
  if (await upGradients(gates)) throw new Error('up matrices of drawn branches all learn the same');
  engine.dispose();
  other.dispose();
  return figures;
}
