// @vitest-environment happy-dom
// When the canvas of the branch map is drawn anew, and when nothing on it moves.
import { cleanup, render } from '@testing-library/react';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { themeStore } from '../../state/theme-store.ts';
import { TreeCanvas } from './TreeCanvas.tsx';
import type { TreeScene } from './tree-drawing.ts';
import * as drawing from './tree-drawing.ts';
import { modulePlace, treeLayout } from './tree-geometry.ts';
import { TreeMotion, type Motion } from './tree-motion.ts';

let frames: (() => void)[] = [];
let draws = 0;
let motions: Motion[] = [];
/** How many drawings were made in the next frame. */
const drawnIn = (): number => {
  const before = draws;
  frames.splice(0).forEach((frame) => frame());
  return draws - before;
};

beforeEach(() => {
  [frames, draws, motions] = [[], 0, []];
  vi.stubGlobal('requestAnimationFrame', (frame: () => void) => frames.push(frame));
  vi.spyOn(drawing, 'drawTree').mockImplementation(() => {
    draws++;
  });
  const aim = Reflect.get(TreeMotion.prototype, 'aim');
  vi.spyOn(TreeMotion.prototype, 'aim').mockImplementation(function (this: TreeMotion, ...given) {
    motions.push(given[1]);
    aim.apply(this, given);
  });
  vi.spyOn(HTMLCanvasElement.prototype, 'getContext').mockImplementation(
    () => ({ setTransform: () => undefined }) as unknown as null,
  );
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function sceneOf(droppedAt: number | null, preview = false): TreeScene {
  const layout = treeLayout({ blocks: 1, linears: 1, branches: 1, width: 900 });
  const view = { module: 'blocks.0.q', scalar: 1, branches: [{ index: 0, strength: 1, droppedAt }] };
  return {
    ...{ layout, blocks: 1, linears: [['q', 'query']], strongest: 1, jumps: new Map(), preview },
    modules: [{ view, place: modulePlace(layout, 1, 0, 0) }],
  };
}

test('it is drawn for a scene, a theme, a size and a restored context, and no more once it is gone', () => {
  const { unmount, container } = render(<TreeCanvas scene={sceneOf(null)} motion="all" />);
  expect(drawnIn()).toBe(1);
  expect(drawnIn()).toBe(0);
  const again = [
    () => themeStore.setState(({ version }) => ({ version: version + 1 })),
    () => window.dispatchEvent(new Event('resize')),
    () => container.querySelector('canvas')?.dispatchEvent(new Event('contextrestored')),
  ];
  for (const happens of again) {
    happens();
    expect(drawnIn()).toBe(1);
  }
  unmount();
  for (const happens of again) happens();
  expect(drawnIn()).toBe(0);
});

test('what a run that is opened has dropped before does not fall; what it drops then does', () => {
  const fall = vi.spyOn(TreeMotion.prototype, 'isMoving');
  const { rerender } = render(<TreeCanvas scene={sceneOf(null, true)} motion="all" />);
  rerender(<TreeCanvas scene={sceneOf(40)} motion="all" />);
  drawnIn();
  expect(motions).toEqual(['all', 'none']);
  expect(fall).toHaveLastReturnedWith(false);
  rerender(<TreeCanvas scene={sceneOf(null)} motion="all" />);
  rerender(<TreeCanvas scene={sceneOf(null)} motion="all" />);
  rerender(<TreeCanvas scene={sceneOf(60)} motion="all" />);
  drawnIn();
  expect(fall).toHaveLastReturnedWith(true);
});
