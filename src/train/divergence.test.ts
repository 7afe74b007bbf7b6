// Divergence: real runs of the micro ViT at sane and insane rates, with what they leave; and series of other
// runs that go badly without diverging.
import { describe, expect, test } from 'vitest';
import { parametersOf } from '../dmlora/adapter.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { describeFault, faultSentence } from '../shared/describe-fault.ts';
import { fail } from '../shared/result.ts';
import { isBetter } from './evaluation.ts';
import { divergedFault, divergence, type Evaluated, type History } from './divergence.ts';
import type { Recipe } from '../recipe/options.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import type { RunInput } from './run-input.ts';
import { Run } from './run.ts';
import { blindAndBest } from './targets.ts';
import { finished, inputOf, Log, makeData } from './testing/micro-run.ts';

const train = (recipe: Partial<Recipe>, data = makeData(48, 4)): ReturnType<typeof finished> =>
  finished(inputOf({ steps: 40, batch: 8, headStart: 'probe', ...recipe }, data, autodiffOn('wasm')));

describe('a run', () => {
  test.each(['probe', 'random'] as const)(
    'at a rate of 1000 (head: %s) says that it diverges, and leaves its best validated state',
    async (headStart) => {
      const { run, log } = await train({ learningRate: 1000, headStart });
      const best = log.evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
      expect(best.step).toBe(0);
      const record = run.record();
      const rate = { field: 'learningRate', now: 1000, advised: recipeDefaults.learningRate };
      expect(record?.diverged).toMatchObject({ kind: 'diverged', why: 'far', keptStep: 0, rate });
      expect(record?.validation).toEqual(record?.initialValidation);
      // Nothing of what the steps did is left: every B is what it was, and no branch is gone.
      expect(run.adapter.modules.every(({ branches }) => branches.length === 4)).toBe(true);
      for (const { branches, scalar } of run.adapter.modules) {
        expect(scalar).toBe(1);
        expect(branches.every(({ B }) => B.data.every((value) => value === 0))).toBe(true);
      }
      expect(record?.drops).toEqual([]);
      expect(record?.scalarsKept).toBe(false);
      // It was told early, and at the end once more with what was kept.
      expect(log.warnings[0]).toMatchObject({ keptStep: null });
      expect(log.warnings[0]?.step).toBeLessThan(20);
      expect(log.warnings.at(-1)).toEqual(record?.diverged);
      run.dispose();
    },
  );

  test.each([
    ['the default rate', { headStart: 'probe' }],
    ['the default rate and a random head', { headStart: 'random' }],
    ['a rate seven times the default', { learningRate: 2e-2 }],
    ['two steps', { steps: 2 }],
  ] as const)('with %s does not, and ends where it ends', async (_, recipe) => {
    const { run, log } = await train(recipe);
    expect(log.warnings).toEqual([]);
    expect(run.record()?.diverged).toBeNull();
    run.dispose();
  });

  test('that learned before it diverged leaves what it had learned', async () => {
    // From 40 % on the steps are a thousand times too large: the moments of Adam do not help.
    const input = inputOf({ steps: 40, batch: 8, learningRate: 2e-2 }, makeData(48, 4), autodiffOn('wasm'));
    const breaking = async (): ReturnType<typeof input.makeEngine> => {
      const made = await input.makeEngine();
      if (!made.ok) return made;
      const step = made.value.step.bind(made.value);
      made.value.step = (batch, control): void =>
        step(batch, control.step < 24 ? control : { ...control, learningRate: 20, headRate: 20 });
      return made;
    };
    const { run, log } = await finished({ ...input, makeEngine: breaking });
    const best = log.evaluations.reduce((a, b) => (isBetter(b, a) && b.loss < 2 ? b : a));
    expect(best.step).toBeGreaterThan(0);
    const record = run.record();
    expect(record?.diverged).toMatchObject({ keptStep: best.step });
    expect(record?.validation).toMatchObject({ loss: best.loss, accuracy: best.accuracy });
    // Both drops lie before it, and are those of the result.
    expect(record?.drops).toEqual(log.drops.filter(({ step }) => step < best.step));
    expect(run.adapter.modules.every(({ branches }) => branches.length === 2)).toBe(true);
    const logits = await run.validationLogits();
    expect(logits.ok).toBe(true);
    run.dispose();
  });

  test('whose loss is no number any more can be ended with its best validated state', async () => {
    const { run } = await train({ learningRate: 1e30, learningRateFloor: 0 });
    expect(run.phase).toMatchObject({ kind: 'failed', resumable: true, fault: { kind: 'not-finite' } });
    run.stop();
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toMatchObject({ kind: 'finished', end: 'stopped' });
    const record = run.record();
    expect(record?.diverged).toMatchObject({ why: 'not-finite', keptStep: 0 });
    expect(record?.validation).toEqual(record?.initialValidation);
    for (const { data } of parametersOf(run.adapter).values())
      expect(data.every((value) => Number.isFinite(value))).toBe(true);
    run.dispose();
  });
});

describe('resuming a run whose numbers are no longer finite', () => {
  test('goes back to the best validated state and on with a tenth of the rate, not into the same wall', async () => {
    // Steps with a large rate overflow; what is validated before them is good.
    const input = inputOf({ steps: 30, learningRate: 0.02 }, makeData(24, 3));
    const breaking: RunInput['makeEngine'] = async () => {
      const made = await input.makeEngine();
      if (!made.ok) return made;
      const step = made.value.step.bind(made.value);
      made.value.step = (batch, control): void =>
        step(
          batch,
          control.step < 14 || control.learningRate < 0.003 ? control : { ...control, learningRate: 1e30 },
        );
      return made;
    };
    const { run, log } = await finished({ ...input, makeEngine: breaking });
    const best = log.evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
    const change = { step: best.step, field: 'learningRate', from: 0.02, to: 0.002 };
    expect(run.phase).toMatchObject({ kind: 'failed', resumable: true, fault: { again: change } });
    run.easeOff();
    run.resume();
    expect(run.state).toMatchObject({ step: best.step, overflow: null, rateChanges: [change] });
    expect(run.state.losses).toHaveLength(best.step);
    expect(run.recipe.learningRate).toBe(0.002);
    expect((await run.prepare()).ok).toBe(true);
    await run.train();
    expect(run.phase).toMatchObject({ kind: 'finished', step: 30, end: 'all-steps' });
    const record = run.record();
    expect(record).toMatchObject({ rateChanges: [change], diverged: null });
    // Every drop of the plan happened once.
    expect(new Set(record?.drops.map(({ step }) => step))).toEqual(
      new Set(run.plan.drops.map(({ step }) => step)),
    );
    expect(record?.drops).toHaveLength(run.plan.drops.length * run.modules.length);
    // Opened again from its checkpoint it does the same.
    const stopped = await finished({ ...input, makeEngine: breaking });
    const again = new Run({ ...input, makeEngine: breaking }, new Log(), structuredClone(stopped.run.state));
    again.easeOff();
    expect((await again.prepare()).ok).toBe(true);
    await again.train();
    expect(again.phase).toMatchObject({ kind: 'finished', step: 30 });
    expect(again.record()).toMatchObject({ rateChanges: [change], diverged: null });
    for (const each of [run, stopped.run, again]) each.dispose();
  });

  test('is no way where nothing was validated that could be gone back to', async () => {
    const input = inputOf({});
    const blind: RunInput['makeEngine'] = async () => {
      const made = await input.makeEngine();
      if (!made.ok) return made;
      made.value.evaluate = () => Promise.resolve(fail({ kind: 'not-finite', where: 'a logit', step: 0 }));
      return made;
    };
    const { run } = await finished({ ...input, makeEngine: blind });
    const { fault } = run.phase.kind === 'failed' ? run.phase : { fault: null };
    expect(fault).toEqual({ kind: 'not-finite', where: 'a logit', step: 0 });
    run.dispose();
  });
});

/**
 * A run of 100 steps of 32 images over ten classes, validated every ten steps on 100 images; its start is a
 * probe's.
 */
function history(
  loss: (step: number) => number,
  validation: (step: number) => Evaluated['validation'],
  changes: Partial<History> = {},
): History {
  const even = Array.from({ length: 10 }, () => 10);
  return {
    training: blindAndBest(even, recipeDefaults),
    validationCounts: even,
    batch: 32,
    losses: Array.from({ length: 100 }, (_, step) => loss(step)),
    evaluations: Array.from({ length: 11 }, (_, i) => ({ step: 10 * i, validation: validation(10 * i) })),
    ...changes,
  };
}
const start = { loss: 0.55, accuracy: 0.82 };
/** The start before training, `then` from the first step on. */
const from =
  (then: Evaluated['validation']) =>
  (step: number): Evaluated['validation'] =>
    step === 0 ? start : then;

describe('the rule', () => {
  test('notices a loss far above the start’s as soon as it has lasted', () => {
    const far = history(
      (step) => (step < 30 ? 0.5 : 400),
      (step) => (step < 40 ? start : { loss: 300, accuracy: 0.1 }),
    );
    expect(divergence(far)).toMatchObject({ why: 'far' });
    expect(divergence(far)?.step).toBeLessThan(40);
  });

  test('takes no loss for far that targets of weighted classes and smoothing explain', () => {
    const both = { ...recipeDefaults, classBalance: 'weights', labelSmoothing: 0.1 } as const;
    const uneven = [990, 10];
    const of = (recipe: typeof recipeDefaults) =>
      divergence(
        history(
          () => 3,
          () => start,
          { training: blindAndBest(uneven, recipe), validationCounts: uneven },
        ),
      );
    expect(of(both)).toBeNull();
    expect(of(recipeDefaults)).toMatchObject({ why: 'far' });
  });

  test('notices a network that collapsed to guessing after it knew the classes', () => {
    // What a rate of 1 ends in on the model that ships: loss 2.6 where ln 10 is 2.3.
    expect(divergence(history(() => 2.6, from({ loss: 2.6, accuracy: 0.1 })))).toMatchObject({ why: 'lost' });
  });

  test('notices it in runs shorter than its window', () => {
    const two = {
      losses: [0.5, 416],
      evaluations: history(() => 0, from({ loss: 416, accuracy: 0.1 })).evaluations,
    };
    const short = two.evaluations.slice(0, 2).map((evaluation, i) => ({ ...evaluation, step: 2 * i }));
    expect(
      divergence(history(() => 0, from(start), { losses: two.losses, evaluations: short })),
    ).not.toBeNull();
    const one = short.map((evaluation, i) => ({ ...evaluation, step: i }));
    expect(divergence(history(() => 0, from(start), { losses: [0.5], evaluations: one }))).not.toBeNull();
  });

  const uneven = [91, 1, 1, 1, 1, 1, 1, 1, 1, 1];
  const guessing = { loss: 2.32, accuracy: 0.1 };
  test.each<[string, History]>([
    [
      'one that over-fits: training falls, validation rises above anything',
      history((step) => 0.5 / (1 + step), from({ loss: 9, accuracy: 0.6 })),
    ],
    [
      'one that learns labels by heart that mean nothing',
      history(
        (step) => 2.3 - step / 50,
        (step) => (step === 0 ? guessing : { loss: 5, accuracy: 0.08 }),
      ),
    ],
    [
      'one that never learns anything',
      history(
        () => 2.35,
        (step) => (step === 0 ? { loss: 2.31, accuracy: 0.12 } : { loss: 2.4, accuracy: 0.09 }),
      ),
    ],
    [
      'one whose warm-up has a spike that it recovers from',
      history(
        (step) => (step > 3 && step < 12 ? 30 : 0.4),
        (step) => (step === 10 ? { loss: 40, accuracy: 0.1 } : start),
      ),
    ],
    ['one with a single bad batch', history((step) => (step === 50 ? 25 : 0.4), from(start))],
    [
      'one image a step, where a wrong answer costs much',
      history((step) => (step % 20 === 0 ? 14 : 0.01), from(start), { batch: 1 }),
    ],
    [
      'a set of mostly one class, answered by that class',
      history(
        () => 0.5,
        (step) => ({ loss: step === 0 ? 2.3 : 0.55, accuracy: 0.91 }),
        { training: blindAndBest(uneven, recipeDefaults), validationCounts: uneven },
      ),
    ],
    [
      'a checkpoint’s head that begins far off and improves slowly',
      history(
        (step) => 9 - step / 50,
        (step) => ({ loss: 9 - step / 50, accuracy: 0.1 }),
      ),
    ],
    [
      'four validation images, of which it loses some',
      history(
        (step) => 0.4 / (1 + step),
        (step) => (step === 0 ? { loss: 0.2, accuracy: 1 } : { loss: 3, accuracy: 0.25 }),
        { validationCounts: [1, 1, 1, 1, 0, 0, 0, 0, 0, 0] },
      ),
    ],
    ['one that gets worse but still knows', history(() => 1.2, from({ loss: 1.4, accuracy: 0.6 }))],
    ['one that has not begun', { ...history(() => 0, from(start)), losses: [], evaluations: [] }],
  ])('does not call diverged %s', (_, series) => {
    expect(divergence(series)).toBeNull();
  });

  test('says which rate to lower: the scalars’ in stage 2, the head’s where it alone is large', () => {
    const noticed = { step: 90, why: 'far', loss: 51_313 } as const;
    const advice = (stage: 1 | 2, recipe: Partial<Recipe>, share = 0.1, kept: number | null = null) =>
      divergedFault(noticed, stage, { ...recipeDefaults, ...recipe }, share, 0.55, kept);
    expect(advice(1, { learningRate: 1000 }).rate).toEqual({
      field: 'learningRate',
      now: 1000,
      advised: 3e-3,
    });
    expect(advice(1, { learningRate: 3e-3 }).rate).toMatchObject({ field: 'learningRate', advised: 3e-4 });
    expect(advice(2, { scalarRate: 5 }).rate).toEqual({ field: 'scalarRate', now: 5, advised: 1e-2 });
    expect(advice(1, { headRate: 8 }, 8).rate).toEqual({ field: 'headRate', now: 8, advised: 0.1 });
    expect(describeFault(advice(1, { learningRate: 1000 }))).toEqual({
      title: 'This run is diverging',
      detail: 'By step 90 the loss was 51,313, against 0.55 before training.',
      advice: 'Stop it and lower the learning rate (learningRate) from 1000 to 0.003.',
    });
    expect(faultSentence(advice(1, { learningRate: 1000 }, 0.1, 0))).toContain(
      'its best validated state, and that is the one before training',
    );
    expect(faultSentence(advice(2, { scalarRate: 5 }, 0.1, 80))).toContain(
      'state of step 80, before the scalars',
    );
  });
});
