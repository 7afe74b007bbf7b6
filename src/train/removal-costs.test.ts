// Branches that leave by what their removal costs on validation images: against losses of models without them, and in
// a run that is resumed between two drops.
import { expect, test } from 'vitest';
import { allOpen } from '../dmlora/adapter.ts';
import { dropBranches } from '../dmlora/drop-plan.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { randomAdapter } from '../engine/checks/random-model.ts';
import { meanCrossEntropy } from '../engine/cross-entropy.ts';
import { cancelled } from '../shared/fault.ts';
import { unwrap } from '../shared/result.ts';
import { cheapestBranches } from './removal-costs.ts';
import { bytesNormalisation, makeData, asBytes, model } from './testing/micro-run.ts';
import { finishedFrom, leavings, shortRecipe } from './testing/resume-checks.ts';

const makeEngine = autodiffOn('wasm');
const { signal } = new AbortController();

test('in each module the branch leaves without which the loss is smallest, and the engine stays as it was', async () => {
  const { validation } = asBytes(makeData(24, 3));
  const adapter = randomAdapter(model.config, 3, { branches: 3 });
  const engine = await makeEngine();
  unwrap(await engine.prepare(model, adapter, bytesNormalisation, { batch: 12, classes: 3 }));
  const [first, ...others] = adapter.modules;
  const drops = new Map(others.map(({ name }) => [name, 0]));
  const before = unwrap(await engine.evaluate(validation.slice(0, 12), allOpen));
  const chosen = await cheapestBranches(engine, adapter, { drops }, validation, 5, signal);
  expect(unwrap(await engine.evaluate(validation.slice(0, 12), allOpen))).toEqual(before);
  expect(chosen.has(first?.name ?? '')).toBe(false);
  for (const { name, branches } of others) {
    const losses: number[] = [];
    for (const { index } of branches) {
      unwrap(await engine.writeAdapter(dropBranches(adapter, new Map([[name, index]]))));
      const logits = unwrap(await engine.evaluate(validation.slice(0, 12), allOpen));
      losses.push(meanCrossEntropy(logits, validation.labels));
    }
    expect(chosen.get(name)).toBe(losses.indexOf(Math.min(...losses)));
    expect(new Set(losses).size).toBe(3);
  }
  // What fades is not asked about.
  const fading = { from: 1, until: 3, gate: 0.5 };
  const faded = {
    ...adapter,
    modules: adapter.modules.map((module) => ({
      ...module,
      branches: module.branches.map((one) =>
        chosen.get(module.name) === one.index ? { ...one, fading } : one,
      ),
    })),
  };
  unwrap(await engine.writeAdapter(faded));
  const next = await cheapestBranches(engine, faded, { drops }, validation, 5, signal);
  for (const [name, branch] of next) expect(branch).not.toBe(chosen.get(name));
  await expect(
    cheapestBranches(engine, adapter, { drops }, validation, 5, AbortSignal.abort()),
  ).rejects.toMatchObject({ fault: cancelled('measure') });
  engine.dispose();
});

test.each(['zero', 'fade'] as const)(
  'a run resumed between two such drops (%s) is the whole one',
  async (dropEffect) => {
    const dmlora = { ...shortRecipe.dmlora, dropPick: 'cheapest', dropEffect, fadeSteps: 1 } as const;
    const input = { model, makeEngine, recipe: { ...shortRecipe, dmlora } };
    const whole = await finishedFrom(input, null, { wantsState: () => true });
    const between = whole.log.states.find(({ dropEvents, step }) => dropEvents === 1 && step === 3);
    const resumed = await finishedFrom(input, structuredClone(between ?? null), { retell: true });
    expect(leavings(resumed, input)).toBe(leavings(whole, input));
    expect(between?.dropEvents).toBe(1);
    const drawn = await finishedFrom(
      { ...input, recipe: { ...input.recipe, dmlora: { ...dmlora, dropPick: 'random' } } },
      null,
    );
    const branches = ({ log }: typeof whole): number[] => log.drops.map(({ branch }) => branch);
    expect(branches(whole)).not.toEqual(branches(drawn));
  },
);
