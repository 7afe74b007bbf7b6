// What the branch map draws, read from the calls of its canvas.
import { expect, test } from 'vitest';
import type { BranchView } from '../../worker/protocol.ts';
import type { Colours } from '../parts/theme-colours.ts';
import { drawTree, limbAims, type TreeScene } from './tree-drawing.ts';
import { modulePlace, treeLayout } from './tree-geometry.ts';
import { TreeMotion } from './tree-motion.ts';

/** Each colour by its own name. */
const colours: Colours = {
  ...{ card: 'card', ink: 'ink', soft: 'soft', line: 'line', leaf: 'leaf', leafTip: 'leafTip' },
  ...{ bark: 'bark', barkSoft: 'barkSoft', ochre: 'ochre', clay: 'clay', sky: 'sky' },
};

interface Drawn {
  /** With the colour of each. */
  readonly texts: (readonly [text: string, colour: string])[];
  readonly strokes: { readonly colour: string; readonly width: number }[];
  /** Where leaves are, in pixels from the root of their branch. */
  readonly leaves: (readonly [x: number, y: number])[];
}

/** A canvas that keeps what is drawn on it. */
function recorder(): { context: CanvasRenderingContext2D; drawn: Drawn } {
  const drawn: Drawn = { texts: [], strokes: [], leaves: [] };
  const state: Record<string, unknown> = {};
  const calls: Record<string, (...args: never[]) => void> = {
    fillText: (text: string) => drawn.texts.push([text, String(state['fillStyle'])]),
    stroke: () =>
      drawn.strokes.push({ colour: String(state['strokeStyle']), width: Number(state['lineWidth']) }),
    arc: (x: number, y: number) => drawn.leaves.push([x, y]),
  };
  const context = new Proxy(state, {
    get: (_state, name) => calls[String(name)] ?? (() => undefined),
  });
  return { context: context as unknown as CanvasRenderingContext2D, drawn };
}

function draw(branches: readonly BranchView[], changes: Partial<TreeScene> = {}): Drawn {
  const layout = treeLayout({ blocks: 1, linears: 1, branches: branches.length, width: 900 });
  const scene: TreeScene = {
    ...{ layout, blocks: 1, strongest: 1, jumps: new Map(), preview: false },
    linears: [['attn.q', 'query']],
    modules: [
      { view: { module: 'blocks.0.attn.q', scalar: 1, branches }, place: modulePlace(layout, 1, 0, 0) },
    ],
    ...changes,
  };
  const motion = new TreeMotion();
  motion.aim(limbAims(scene), 'all', layout.reach, 0);
  const { context, drawn } = recorder();
  drawTree(context, scene, colours, { motion, now: 0 });
  return drawn;
}

const branch = (index: number, strength: number, droppedAt: number | null = null): BranchView => ({
  ...{ index, strength, droppedAt },
});

test('a branch is as long as it is strong and as thick as its share', () => {
  const { strokes, leaves } = draw([branch(0, 1), branch(1, 0.25)]);
  const [first, second] = leaves;
  expect(first?.[0]).toBe(140);
  expect(second?.[0]).toBeCloseTo(140 * (0.2 + 0.8 * 0.5), 9);
  const limbs = strokes.filter(({ colour }) => colour === 'leaf').map(({ width }) => width);
  expect(limbs).toEqual([1 + 5 * 0.8, 1 + 5 * 0.2]);
});

test('a plan has buds of another colour, whose lengths say nothing of strength', () => {
  const { strokes, leaves } = draw([branch(0, 0), branch(1, 0)], { preview: true, strongest: 0 });
  expect(strokes.some(({ colour }) => colour === 'leaf')).toBe(false);
  expect(strokes.filter(({ colour }) => colour === 'leafTip')).toHaveLength(2);
  expect(new Set(leaves.map(([x]) => x)).size).toBe(2);
});

test('a dropped branch is a stub with its step, and no leaf', () => {
  const { leaves, texts } = draw([branch(0, 1), branch(1, 0.4, 62)]);
  expect(leaves).toHaveLength(1);
  expect(texts).toContainEqual(['62', 'soft']);
});

test('a jump of the loss that two digits do not show is neither written in the tree nor coloured', () => {
  const labelOf = (jump: number) =>
    draw([branch(0, 1, 40)], { jumps: new Map([[40, jump]]) }).texts.find(([text]) => text.startsWith('40'));
  expect([labelOf(0.02), labelOf(0.004), labelOf(-0.004), labelOf(-0.02)]).toEqual([
    ['40 +0.02', 'clay'],
    ['40', 'soft'],
    ['40', 'soft'],
    ['40 −0.02', 'soft'],
  ]);
});
