// What an ended run says of its branches, on a real engine: with all of them on its own numbers bit for bit, and
// the run as it was after whatever was asked, also after a cancel and a fault.
import { expect, test } from 'vitest';
import { asItIs, imagined, type BranchRef, type Counterfactual } from '../dmlora/counterfactual.ts';
import { mergedWeights } from '../dmlora/merge.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import type { Engine } from '../engine/engine.ts';
import { isCancelled } from '../shared/fault.ts';
import { fail, unwrap, type Result } from '../shared/result.ts';
import { finished, inputOf, Log, makeData, model } from '../train/testing/micro-run.ts';
import { pairedChange } from '../understand/paired.ts';
import { Asking } from './asking.ts';
import { BranchAsking } from './branch-asking.ts';
import type { Removal } from './protocol.ts';
import { ResultEngine, type EndedRun } from './result-engine.ts';

const lost = { kind: 'device-lost', step: 0, detail: 'Refused by the test.' } as const;

/** What happens at the next evaluation, once; engines that were made. */
let next: (() => Result<never> | null) | null = null;
let made = 0;

async function watched(): Promise<Engine> {
  const inner = await autodiffOn('cpu')();
  made += 1;
  return {
    describe: () => inner.describe(),
    prepare: (...given) => inner.prepare(...given),
    step: (...given) => inner.step(...given),
    report: () => inner.report(),
    evaluate(...given) {
      const now = next;
      next = null;
      const ended = now?.() ?? null;
      return ended === null ? inner.evaluate(...given) : Promise.resolve(ended);
    },
    features: (...given) => inner.features(...given),
    loss: (...given) => inner.loss(...given),
    gradients: (...given) => inner.gradients(...given),
    look: (...given) => inner.look(...given),
    readAdapter: () => inner.readAdapter(),
    writeAdapter: (...given) => inner.writeAdapter(...given),
    memory: () => inner.memory(),
    memoryPlan: () => inner.memoryPlan(),
    release: () => inner.release(),
    dispose: () => inner.dispose(),
  };
}

const data = makeData(24, 3);
const input = inputOf({ steps: 20 }, data, watched);
const log = new Log();
const { run } = await finished(input, log);
const ids = Array.from(data.validation.labels, (_, i) => i);
// Of model and images no more is looked at than this.
const ended = {
  run,
  data,
  model: { model },
  images: { split: { validation: ids }, images: ids.map((i) => ({ path: `${i}.png` })) },
  makeEngine: input.makeEngine,
} as unknown as EndedRun;
const engine = new ResultEngine(ended);
const asking = new Asking(engine);
const branches = new BranchAsking(engine, asking);
const going = new AbortController().signal;

const logitsOf = async (what: Counterfactual): Promise<Float32Array> =>
  unwrap(await branches.whatIf('validation', what, going));
const base = unwrap(await asking.answers('validation', going, () => undefined)).logits;

/** Everything that the run holds, and what an export would write. */
const held = (): unknown =>
  structuredClone({ state: run.state, merged: [...mergedWeights(model.weights, run.adapter)] });
const before = held();
const all: readonly BranchRef[] = run.adapter.modules.flatMap(({ name, branches: live }) =>
  live.map(({ index }) => ({ module: name, branch: index })),
);
const [first] = run.adapter.modules;
const name = first?.name ?? '';
const restored = run.state.dropped.map(({ module, branch }) => ({ module, branch: branch.index }));
const other: Counterfactual = { off: all.slice(0, 1), restored, scalars: new Map([[name, 0.5]]) };

test('the run has lost branches, and what it was made of can be asked', () => {
  expect(restored.length).toBeGreaterThan(0);
  expect(all.length).toBeGreaterThan(run.adapter.modules.length);
});

test('with all branches on the logits are those of the run, bit for bit', async () => {
  expect(await logitsOf(asItIs)).toEqual(base);
  expect(await logitsOf(other)).not.toEqual(base);
  expect(await logitsOf(asItIs)).toEqual(base);
  expect(held()).toEqual(before);
});

test('the state just after a drop with its branches back is the state just before it', () => {
  const at = log.states.findIndex(({ dropEvents }) => dropEvents === 1);
  const [was, is] = [log.states[at - 1], log.states[at]];
  if (was === undefined || is === undefined) throw new Error('there was no drop');
  const back = is.dropped.map(({ module, branch }) => ({ module, branch: branch.index }));
  expect(back).toHaveLength(is.adapter.modules.length);
  const { adapter } = imagined(is.adapter, is.dropped, { ...asItIs, restored: back });
  expect(adapter.modules).toEqual(was.adapter.modules);
  expect(is.adapter.modules).not.toEqual(was.adapter.modules);
  for (const { rankBefore, rankAfter, closeness } of is.dropped) {
    expect(rankBefore).toBeGreaterThan(rankAfter);
    expect(closeness).toBeLessThan(1);
  }
});

test('a cancel and a fault leave the run as it was, and the next question is answered', async () => {
  for (const what of [other, { ...asItIs, off: all }]) {
    const stop = new AbortController();
    next = () => {
      stop.abort();
      return null;
    };
    const stopped = await branches.whatIf('validation', what, stop.signal);
    expect(!stopped.ok && isCancelled(stopped.fault)).toBe(true);
    expect(await logitsOf(asItIs)).toEqual(base);
    const engines = made;
    next = () => fail(lost);
    expect(await branches.whatIf('validation', what, going)).toEqual(fail(lost));
    next = () => {
      throw new Error('thrown by the test');
    };
    expect(await branches.whatIf('validation', what, going)).toMatchObject({ fault: { kind: 'bug' } });
    expect(await logitsOf(asItIs)).toEqual(base);
    expect(made).toBe(engines + 2);
    expect(held()).toEqual(before);
  }
});

test('the images kept apart are not asked what would be with other branches, and a reason is given', async () => {
  const refused = await branches.whatIf('test', asItIs, going);
  expect(refused).toMatchObject({
    ok: false,
    fault: { kind: 'kept-apart', detail: expect.stringMatching(/measured once/) as string },
  });
});

test('the ranking comes in parts, and each cost is that of switching it off', async () => {
  const costs: Removal[] = [];
  for (let total = 1; costs.length < total;) {
    const part = unwrap(await branches.removals(costs.length, going));
    expect(part.costs.length).toBeGreaterThan(0);
    costs.push(...part.costs);
    total = part.total;
  }
  expect(costs.map(({ module, branch }) => [module, branch])).toEqual([
    ...run.adapter.modules.map((module) => [module.name, null]),
    ...all.map(({ module, branch }) => [module, branch]),
  ]);
  const asked = { classes: data.classes.length, labels: data.validation.labels };
  for (const { module, branch, change } of costs) {
    const off = all.filter((ref) => ref.module === module && (branch === null || ref.branch === branch));
    const logits = await logitsOf({ ...asItIs, off });
    expect(change).toEqual(pairedChange({ ...asked, logits: base }, { ...asked, logits }));
  }
  expect(costs.some(({ change }) => change.loss !== 0)).toBe(true);
  const stop = new AbortController();
  stop.abort();
  const stopped = await branches.removals(0, stop.signal);
  expect(!stopped.ok && isCancelled(stopped.fault)).toBe(true);
  expect(held()).toEqual(before);
});

test('figures name every branch, live and dropped', async () => {
  const { modules, dropped } = unwrap(await branches.figures(going));
  expect(
    modules.flatMap(({ module, branches: live }) => live.map(({ branch }) => ({ module, branch }))),
  ).toEqual(all);
  for (const { rank, mostRank, branches: live } of modules) {
    expect(rank).toBeGreaterThan(1);
    expect(rank).toBeLessThanOrEqual(mostRank);
    live.forEach(({ cosines }, k) => expect(cosines[k]).toBe(1));
  }
  expect(dropped.map(({ module, branch }) => ({ module, branch }))).toEqual(restored);
});
