// @vitest-environment happy-dom
// The branches gone through by hand: as they stood at moments of the run, one crosshair with the curves.
import { act, cleanup, fireEvent, screen } from '@testing-library/react';
import { afterEach, expect, test, vi } from 'vitest';
import { chartStore, pointAt } from '../../state/chart-store.ts';
import { setField } from '../../state/recipe-store.ts';
import { runStore, withMoment, type BranchMoment } from '../../state/run-store.ts';
import { arrive, button, canPress, shown } from '../testing/shown-page.tsx';
import { shareOf } from './tree-geometry.ts';
import { TreeMotion, type Motion } from './tree-motion.ts';

// The curves are drawn on a canvas, which there is none of here.
vi.mock('../charts/LineChart.tsx', () => ({ LineChart: () => null }));

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const dropped = (): number => Number(screen.getByTestId('branch-map').getAttribute('data-dropped'));
/** The slider is there at once, and what is shown of the moment once that is painted. */
async function slide(to: number): Promise<void> {
  fireEvent.change(screen.getByTestId('moments'), { target: { value: String(to) } });
  expect(screen.getByTestId<HTMLInputElement>('moments').value).toBe(String(to));
  await arrive();
}

/** Nothing is laid out here, and a map without width is not drawn. */
function layOut(): void {
  const Laid = class {
    constructor(readonly told: ResizeObserverCallback) {}
    observe = (target: Element): void => {
      const size = { target, contentRect: new DOMRect(0, 0, 900, 400) };
      this.told([size as ResizeObserverEntry], this as unknown as ResizeObserver);
    };
    disconnect = (): void => undefined;
  };
  vi.stubGlobal('ResizeObserver', Laid);
}

test('the run is gone through, from before the first drop to now, with the curves', async () => {
  await shown('finished');
  const { moments } = runStore.getState();
  const now = dropped();
  expect(moments.length).toBeGreaterThan(2);
  expect(now).toBeGreaterThan(0);
  await slide(0);
  expect(dropped()).toBe(0);
  expect(screen.getByTestId('branch-map').textContent).toContain(`After step ${moments[0]?.step}: `);
  expect(chartStore.getState().pointed).toBe(moments[0]?.step);
  // A step that a curve is pointed at: the moment at or before it.
  const [, second, third] = moments;
  act(() => pointAt((third?.step ?? 0) - 1));
  expect(screen.getByTestId('moment').getAttribute('data-step')).toBe(String(second?.step));
  expect(canPress(button('Now'))).toBe(true);
  fireEvent.click(button('Now'));
  expect(dropped()).toBe(now);
  expect(canPress(button('Now'))).toBe(false);
  await slide(moments.length - 1);
  expect(chartStore.getState().pointed).toBeNull();
  // Drawn along, it goes to where it ends.
  fireEvent.change(screen.getByTestId('moments'), { target: { value: '0' } });
  await slide(1);
  expect(chartStore.getState().pointed).toBe(second?.step);
});

test('branches grow in frames of their own only where no step waits for the processor', async () => {
  const motions: Motion[] = [];
  layOut();
  vi.spyOn(TreeMotion.prototype, 'aim').mockImplementation((_limbs, motion) => void motions.push(motion));
  await shown('training, stage 1');
  const computesOn = (backend: 'webgpu' | 'wasm'): void =>
    act(() =>
      runStore.setState(({ summary }) => ({
        summary: summary && { ...summary, engine: { ...summary.engine, backend } },
      })),
    );
  computesOn('wasm');
  expect(motions.at(-1)).toBe('falls');
  computesOn('webgpu');
  expect(motions.at(-1)).toBe('all');
  await slide(0);
  expect(motions.at(-1)).toBe('none');
});

test('the map is walked by keys and pointed at, and one layer at a time is where the Tab key leads', async () => {
  layOut();
  await shown('finished');
  const stops = (): (string | undefined)[] =>
    screen
      .getAllByRole('img')
      .filter((spot) => spot.dataset['module'] !== undefined && spot.tabIndex === 0)
      .map((spot) => spot.dataset['module']);
  const spot = (module: string): HTMLElement => {
    const found = screen.getAllByRole('img').find((one) => one.dataset['module'] === module);
    if (found === undefined) throw new Error(module);
    return found;
  };
  expect(stops()).toEqual(['blocks.0.q']);
  act(() => spot('blocks.0.q').focus());
  for (const [key, module] of [
    ['ArrowUp', 'blocks.1.q'],
    ['ArrowRight', 'blocks.1.k'],
    ['ArrowDown', 'blocks.0.k'],
    // There is none further down.
    ['ArrowDown', 'blocks.0.k'],
  ] as const) {
    act(() => void fireEvent.keyDown(document.activeElement ?? document.body, { key }));
    expect(document.activeElement).toBe(spot(module));
    expect(stops()).toEqual([module]);
  }
  await arrive();
  expect(screen.getByTestId('branch-map').textContent).toContain('blocks.0.k');
  // The focus follows the pointer where it is in the map.
  fireEvent.pointerEnter(spot('blocks.2.fc2'));
  expect(document.activeElement).toBe(spot('blocks.2.fc2'));
  // What is chosen goes with its layer, and the first one leads on.
  act(() => spot('blocks.2.fc2').blur());
  act(() =>
    runStore.setState(({ modules, moments }) => {
      const left = modules.filter(({ module }) => !module.endsWith('fc2'));
      return { modules: left, moments: moments.map((moment) => ({ ...moment, modules: left })) };
    }),
  );
  await arrive();
  expect(stops()).toEqual(['blocks.0.q']);
});

test('moments are told once, begin anew after a replay, and are thinned evenly', () => {
  const of = (step: number): BranchMoment => ({ step, modules: [] });
  const steps = (moments: readonly BranchMoment[]): number[] => moments.map(({ step }) => step);
  expect(steps(withMoment([of(1), of(5), of(9)], of(5)))).toEqual([1, 5]);
  let all: readonly BranchMoment[] = [];
  for (let step = 0; step < 1000; step++) all = withMoment(all, of(step));
  expect(all.length).toBe(120);
  expect(all[0]?.step).toBe(0);
  expect(all.at(-1)?.step).toBe(999);
  const gaps = steps(all).map((step, i, list) => step - (list[i - 1] ?? step));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(16);
});

test('a branch that left says in the table when, and what the loss did', async () => {
  await shown('finished');
  fireEvent.click(screen.getByRole('radio', { name: 'Table' }));
  const [drop] = runStore.getState().drops;
  if (drop === undefined) throw new Error('nothing dropped');
  const words = `dropped at ${drop.step}, loss +${(drop.lossAfter - drop.lossBefore).toFixed(3)}`;
  const table = screen.getByRole('region', { name: 'Branches as a table' });
  expect(table.textContent.split(words)).toHaveLength(73);
});

test('a branch is as thick as its share of what its layer’s live branches add', () => {
  const branch = (index: number, strength: number, droppedAt: number | null = null) => ({
    index,
    strength,
    droppedAt,
  });
  const [one, three, gone] = [branch(0, 0.1), branch(1, 0.3), branch(2, 5, 40)];
  const module = { module: 'blocks.0.q', scalar: 1, branches: [one, three, gone] };
  const shares = [one, three, gone].map((each) => shareOf(module, each));
  for (const [i, share] of [0.25, 0.75, 0].entries()) expect(shares[i]).toBeCloseTo(share, 12);
  const buds = { ...module, branches: [branch(0, 0), branch(1, 0)] };
  expect(buds.branches.map((each) => shareOf(buds, each))).toEqual([0.5, 0.5]);
});

const words = (id: string): string => screen.getByTestId(id).textContent;

test('a run without branches shows none of the form’s plan, but what learns; so does the form', async () => {
  await shown('finished, no branches');
  expect(screen.queryByTestId('branch-map')).toBeNull();
  expect(words('no-branches')).toBe(
    'No branches: what learns is LayerNorms and head. Beside the head that is weight and bias of every LayerNorm of the backbone.',
  );
  cleanup();
  await shown('ready');
  act(() => setField('dmlora.branches', '0'));
  expect(screen.queryByTestId('branch-map')).toBeNull();
  expect(words('no-branches')).toBe(
    'No branches: what learns is the head alone. The pretrained model below it stays as it is.',
  );
  act(() => setField('backbone.tune', 'norms'));
  // 25 LayerNorms of 192 weights and biases.
  expect(words('no-branches')).toMatch(/ of the backbone, about 10 k parameters\.$/);
});

test('the trunk stays as it is only where nothing of it is tuned', async () => {
  await shown('ready');
  expect(words('branch-map')).toContain('the pretrained model, which stays as it is.');
  act(() => setField('backbone.tune', 'biases'));
  expect(words('branch-map')).not.toContain('stays as it is');
  expect(words('branch-map')).toMatch(
    /all biases of the backbone \(BitFit\) learn too: about \d+ k parameters\./,
  );
});
