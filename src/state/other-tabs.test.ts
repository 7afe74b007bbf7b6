// Two tabs of one browser, made up for the test: one trains, the other says so, and never both.
import { beforeEach, expect, test } from 'vitest';
import { joinTabs, tabsStore, type OtherRun, type TabParts } from './other-tabs.ts';
import { runStore } from './run-store.ts';

type Listener = TabParts['channel'];

/** Channels and locks that tabs of one browser share. */
function browser() {
  const channels = new Set<Listener>();
  let holders = 0;
  const waiting: (() => void)[] = [];
  let clock = 0;
  const said: unknown[] = [];
  const tab = (): TabParts => {
    const channel: Listener = {
      onmessage: null,
      postMessage(data: unknown) {
        said.push(data);
        for (const other of channels)
          if (other !== channel)
            other.onmessage?.({ data } as Parameters<NonNullable<Listener['onmessage']>>[0]);
      },
      close: () => channels.delete(channel),
    };
    channels.add(channel);
    const request = async (
      _: string,
      options: LockOptions,
      work: (lock: Lock | null) => unknown,
    ): Promise<unknown> => {
      if (holders > 0 && options.ifAvailable === true) return work(null);
      while (holders > 0) await new Promise<void>((resolve) => waiting.push(resolve));
      holders++;
      try {
        return await work({ name: 'graft-run', mode: 'exclusive' });
      } finally {
        holders--;
        for (const go of waiting.splice(0)) go();
      }
    };
    return { channel, locks: { request } as TabParts['locks'], now: () => clock };
  };
  /** What a tab says that has no stores of its own here. */
  const other = tab();
  return { tab, other, said, pass: (ms: number) => (clock += ms), locked: () => holders > 0 };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const training = (step: number) => ({ kind: 'training', stage: 1, step, steps: 100 }) as const;
const otherRun: OtherRun = {
  ...{ model: 'm', images: 'i', phase: 'training', step: 3, steps: 9, accuracy: null, secondsLeft: null },
};

beforeEach(() => {
  runStore.setState(runStore.getInitialState(), true);
  tabsStore.setState({ run: null });
});

test('a tab that trains holds the lock to the end of its run, and tells how far it is', async () => {
  const { tab, other, said, pass, locked } = browser();
  const tabs = joinTabs(tab());
  expect(await tabs.claim()).toBe(true);
  runStore.setState({ pending: 'start' });
  runStore.setState({ pending: null, phase: training(1) });
  const told = (): number => said.filter((message) => (message as { kind: string }).kind === 'run').length;
  const before = told();
  for (let step = 2; step < 50; step++) runStore.setState({ phase: training(step) });
  expect(told()).toBe(before); // not with every step
  pass(500);
  runStore.setState({ phase: training(50) });
  expect(told()).toBe(before + 1);
  expect(said.at(-1)).toMatchObject({ kind: 'run', run: { phase: 'training', step: 50 } });
  // One that is opened meanwhile hears of it at once, and may not train beside it.
  other.channel.postMessage({ kind: 'who' });
  expect(told()).toBe(before + 2);
  expect(await other.locks.request('graft-run', { ifAvailable: true }, (lock) => lock === null)).toBe(true);
  runStore.setState({ phase: { kind: 'paused', stage: 1, step: 50, steps: 100 } });
  expect(locked()).toBe(true);
  runStore.setState({ phase: { kind: 'finished', step: 100, steps: 100, end: 'all-steps' } });
  await turn();
  expect(said.at(-1)).toEqual({ kind: 'ended' });
  expect(locked()).toBe(false);
});

test('a start that is refused gives the lock back', async () => {
  const { tab, locked } = browser();
  const tabs = joinTabs(tab());
  expect(await tabs.claim()).toBe(true);
  tabs.settle();
  await turn();
  expect(locked()).toBe(false);
});

test('a tab that watches says so, may not claim, and notices the end even where nobody tells it', async () => {
  const { tab, other } = browser();
  const tabs = joinTabs(tab());
  let end: () => void = () => undefined;
  void other.locks.request('graft-run', {}, () => new Promise<void>((resolve) => (end = resolve)));
  await turn();
  other.channel.postMessage({ kind: 'run', run: otherRun });
  expect(tabsStore.getState().run).toEqual(otherRun);
  expect(await tabs.claim()).toBe(false);
  end(); // as the browser does with the locks of a tab that crashed
  await turn();
  expect(tabsStore.getState().run).toBe(null);
  expect(await tabs.claim()).toBe(true);
});
