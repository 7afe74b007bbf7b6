// @vitest-environment happy-dom
// What can be pressed is told once: what asks for it is not rendered anew by the steps of a run.
import { act, cleanup, render } from '@testing-library/react';
import { afterEach, expect, test } from 'vitest';
import { openPhase } from '../state/testing/app-phases.ts';
import { runStore } from '../state/run-store.ts';
import { useControls } from './use-controls.ts';

afterEach(cleanup);

test('a step changes no control, and renders nothing that asks for them; a pause does', async () => {
  const { client } = await openPhase('training, stage 1');
  const told: ReturnType<typeof useControls>[] = [];
  function Asking() {
    told.push(useControls());
    return null;
  }
  render(<Asking />);
  const before = told.length;
  const { phase } = runStore.getState();
  act(() => client.play(3));
  expect(runStore.getState().phase).not.toEqual(phase);
  expect(told).toHaveLength(before);
  act(() => runStore.setState({ pending: 'pause' }));
  expect(told).toHaveLength(before + 1);
  expect(told.at(-1)).not.toBe(told[before - 1]);
});
