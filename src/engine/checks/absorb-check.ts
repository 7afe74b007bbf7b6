// What must hold of a branch that the frozen weight absorbed, on every engine. A function that throws.
import { allOpen, type Adapter } from '../../dmlora/adapter.ts';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { mergedWeights } from '../../dmlora/merge.ts';
import { frozenWeight } from '../../dmlora/stacked-lora.ts';
import { present } from '../../shared/assert.ts';
import { unwrap } from '../../shared/result.ts';
import type { VitModel } from '../../vit/parameters.ts';
import type { Engine } from '../engine.ts';
import { sliceOf } from '../pixels.ts';
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

/**
 * A branch that the frozen weight absorbs changes no answer: not at the drop, not in another engine that is
 * given what was read back, and not merged. The gradients of what is left, and what a look sees, are those
 * over a checkpoint that has the sum as its weight, bit for bit; with the former adapter written back all is
 * as before, bit for bit.
 */
export async function checkAbsorb(setting: Setting): Promise<Figures> {
  const tensors = await readTensors(setting.read, 'grads_all.safetensors');
  const adapter = adapterFrom(tensors, 'param.');
  const batch = batchFrom(tensors);
  const shapes = { batch: batch.labels.length, classes: tensorOf(tensors, 'param.head.bias').data.length };
  const model = await readMicroModel(setting.read);
  const [engine, other] = [await prepared(setting, adapter, shapes), await setting.makeEngine()];
  const give = async (to: VitModel, branches: Adapter): Promise<void> =>
    unwrap(await other.prepare(to, branches, identityNormalisation, { ...shapes, ...setting.shapes }));
  const logitsOf = async (of: Engine): Promise<Float32Array> =>
    unwrap(await of.evaluate(batch.pixels, allOpen)).data;
  const same = (what: string, actual: Float32Array, expected: Float32Array): void => {
    if (largestDifference(actual, expected) !== 0) throw new Error(`${what}: not the same bits`);
  };
  const before = await logitsOf(engine);
  const drops = new Map(adapter.modules.map(({ name }, i) => [name, i % 3]));
  const once = dropBranches(adapter, drops, 'absorb');
  const rest = new Map(once.modules.map(({ name, branches }) => [name, branches[1]?.index ?? 0]));
  const twice = dropBranches(once, rest, 'absorb');
  const [tolerance, figures] = [times({ abs: 1e-6, rel: 1e-6 }, Math.max(setting.slack, 2)), {} as Figures];
  for (const [name, absorbing] of Object.entries({ once, twice })) {
    unwrap(await engine.writeAdapter(absorbing));
    const after = await logitsOf(engine);
    figures[name] = assertClose(`absorbed ${name}`, after, before, tolerance);
    const read = unwrap(await engine.readAdapter());
    await give(model, read);
    same(`${name}, read and prepared`, await logitsOf(other), after);
    other.release();
  }
  const below = new Map(
    twice.modules.map((module) => {
      const name = `${module.name}.weight`;
      return [name, frozenWeight(present(model.weights.get(name), name), module)];
    }),
  );
  const alone: Adapter = {
    ...twice,
    modules: twice.modules.map(({ name, scalar, branches }) => ({ name, scalar, branches })),
  };
  const summed = { ...model, weights: new Map([...model.weights, ...below]) };
  await give(summed, alone);
  const [own, theirs] = [
    unwrap(await engine.gradients(batch, allOpen)).gradients,
    unwrap(await other.gradients(batch, allOpen)).gradients,
  ];
  for (const [name, { data }] of theirs) same(name, present(own.get(name), name).data, data);
  const image = sliceOf(batch.pixels, 0, batch.pixels.data.length / batch.labels.length);
  const [look, wanted] = [
    unwrap(await engine.look(image, 1, allOpen)),
    unwrap(await other.look(image, 1, allOpen)),
  ];
  same('relevance', look.relevance.data, wanted.relevance.data);
  other.release();
  const silent: Adapter = { ...alone, modules: alone.modules.map((module) => ({ ...module, scalar: 0 })) };
  const merged = new Map([...model.weights, ...mergedWeights(model.weights, twice)]);
  await give({ ...model, weights: merged }, silent);
  figures['merged'] = assertClose('merged', await logitsOf(other), before, tolerance);
  unwrap(await engine.writeAdapter(adapter));
  same('the former adapter', await logitsOf(engine), before);
  engine.dispose();
  other.dispose();
  return figures;
}
