// The branch map on a canvas: the ground with its trunks, one for each adapted linear, and the branches of each
// module: living ones as long as they are strong and as thick as their share of the layer's update, dropped ones
// as a cut stub with the step and what the loss did. A thousand branches are one drawing of a few milliseconds,
// which as elements of the page took several times as long at each step of a run.
import type { ModuleView } from '../../worker/protocol.ts';
import type { Colours } from '../parts/theme-colours.ts';
import { signedText } from '../parts/words.ts';
import {
  branchPlace,
  growth,
  modulePlace,
  numbersWidth,
  shareOf,
  thickness,
  type Place,
  type TreeLayout,
} from './tree-geometry.ts';
import type { LimbAim, TreeMotion } from './tree-motion.ts';

export interface TreeScene {
  readonly layout: TreeLayout;
  readonly blocks: number;
  /** Names of the adapted linears, from left to right: in code and in words. */
  readonly linears: readonly (readonly [name: string, words: string])[];
  readonly modules: readonly { readonly view: ModuleView; readonly place: Place }[];
  /** Strength of a branch of full length. */
  readonly strongest: number;
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
  /** Before a run: buds without strength. */
  readonly preview: boolean;
}

const limbKey = ({ module }: ModuleView, index: number): string => `${module} ${index}`;

/** Buds differ a little, by nothing but their number, so that the plan looks alive. */
const budLength = (index: number): number => 0.42 + 0.04 * ((index * 5 + 2) % 4);

/** How all branches of a scene are to stand. */
export function limbAims({ modules, strongest, preview }: TreeScene): LimbAim[] {
  return modules.flatMap(({ view }) =>
    view.branches.map(({ index, strength, droppedAt }) => ({
      key: limbKey(view, index),
      length: preview ? budLength(index) : growth(strength, strongest),
      dropped: droppedAt !== null,
    })),
  );
}

const font = (pixels: number, weight = ''): string =>
  `${weight} ${pixels}px system-ui, sans-serif`.trimStart();

function drawGround(context: CanvasRenderingContext2D, scene: TreeScene, colours: Colours): void {
  const { layout, blocks, linears } = scene;
  const { width, top, rowHeight, cellWidth } = layout;
  const ground = top + blocks * rowHeight;
  context.font = font(11.5);
  context.textAlign = 'right';
  context.fillStyle = colours.soft;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.lineCap = 'butt';
  context.setLineDash([2, 5]);
  const everyBlock = rowHeight >= 15 ? 1 : 2;
  for (let block = 0; block < blocks; block++) {
    const { y } = modulePlace(layout, blocks, block, 0);
    context.beginPath();
    context.moveTo(numbersWidth, y + 5);
    context.lineTo(width, y + 5);
    context.stroke();
    if (block % everyBlock === 0) context.fillText(String(block), numbersWidth - 8, y - rowHeight / 2 + 9);
  }
  context.setLineDash([]);
  context.textAlign = 'left';
  context.fillText('Block', 0, ground + 26);

  context.textAlign = 'center';
  for (const [column, [linear, words]] of linears.entries()) {
    const { x } = modulePlace(layout, blocks, 0, column);
    context.fillStyle = colours.bark;
    context.beginPath();
    context.moveTo(x - 6, ground + 4);
    context.bezierCurveTo(x - 3, ground - 14, x - 2.6, ground - 30, x - 1.6, top - 8);
    context.lineTo(x + 1.6, top - 8);
    context.bezierCurveTo(x + 2.6, ground - 30, x + 3, ground - 14, x + 6, ground + 4);
    context.fill();
    context.fillStyle = colours.ink;
    context.font = font(12.5, '600');
    context.fillText(cellWidth > 80 ? words : linear, x, ground + 26);
  }

  context.strokeStyle = colours.barkSoft;
  context.lineWidth = 2;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(numbersWidth, ground + 4);
  context.lineTo(width, ground + 4);
  context.stroke();
}

/** A branch that grows to the right from 0, 0, of this share of the full length. */
function drawLimb(
  context: CanvasRenderingContext2D,
  { reach, rise }: TreeLayout,
  length: number,
  look: { readonly limb: string; readonly leaf: string; readonly rim: string; readonly width: number },
): void {
  const [x, y] = [reach * length, rise * length];
  context.lineCap = 'round';
  context.strokeStyle = look.limb;
  context.lineWidth = look.width;
  context.beginPath();
  context.moveTo(0, 0);
  context.bezierCurveTo(0.34 * x, -0.04 * y, 0.72 * x, -0.32 * y, x, -y);
  context.stroke();
  context.fillStyle = look.leaf;
  context.strokeStyle = look.rim;
  context.lineWidth = length;
  context.beginPath();
  context.arc(x, -y, Math.min(6.5, reach * 0.16) * length, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
}

/** What is left of a dropped branch: a stub with a cut, from 0, 0 to the right. */
function drawStub(context: CanvasRenderingContext2D, bark: string, cut: string): void {
  context.strokeStyle = bark;
  context.lineWidth = 4;
  context.lineCap = 'butt';
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(9, -2);
  context.stroke();
  context.strokeStyle = cut;
  context.lineWidth = 2;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(8, -5.5);
  context.lineTo(10.4, 1.5);
  context.stroke();
}

/** Where a falling branch is after this share of its fall: it breaks, then falls and fades. */
function fallPose(fallen: number): { x: number; y: number; degrees: number; opacity: number } {
  const broken = 0.25;
  if (fallen < broken) {
    const t = (fallen / broken) ** 2;
    return { x: 3 * t, y: 2 * t, degrees: 14 * t, opacity: 1 };
  }
  const t = ((fallen - broken) / (1 - broken)) ** 2;
  return { x: 3 + 13 * t, y: 2 + 44 * t, degrees: 14 + 50 * t, opacity: 1 - t };
}

/** A jump of the loss that two digits show; a smaller one has neither figure nor colour. */
const leastJump = 0.005;

/** Pixels in which a step and a loss can stand. */
const roomForJump = 78;

interface Moving {
  readonly motion: TreeMotion;
  readonly now: number;
}

function drawModule(
  context: CanvasRenderingContext2D,
  scene: TreeScene,
  colours: Colours,
  { view, place }: TreeScene['modules'][number],
  { motion, now }: Moving,
): void {
  const { layout, jumps, preview } = scene;
  const labelled = layout.reach >= 34 && layout.levelGap >= 10.5;
  for (const branch of view.branches) {
    const { y, side } = branchPlace(layout, branch.index);
    const key = limbKey(view, branch.index);
    const length = motion.length(key, now);
    const dropped = branch.droppedAt;
    context.save();
    context.translate(place.x, place.y + y);
    context.scale(side, 1);
    if (dropped === null) {
      drawLimb(context, layout, length, {
        limb: preview ? colours.leafTip : colours.leaf,
        leaf: colours.leafTip,
        rim: colours.card,
        width: preview ? 1.3 + 3 * length : thickness(shareOf(view, branch)),
      });
      context.restore();
      continue;
    }
    const told = jumps.get(dropped) ?? 0;
    const jump = Math.abs(told) < leastJump ? null : told;
    const harm = jump !== null && jump > 0;
    drawStub(context, colours.bark, harm ? colours.clay : colours.soft);
    const fallen = motion.fall(key, now);
    if (fallen !== null) {
      const pose = fallPose(fallen);
      context.translate(pose.x, pose.y);
      context.rotate((pose.degrees * Math.PI) / 180);
      context.globalAlpha = pose.opacity;
      drawLimb(context, layout, length, {
        limb: colours.bark,
        leaf: colours.bark,
        rim: colours.card,
        width: thickness(0),
      });
    }
    context.restore();
    if (!labelled) continue;
    context.font = font(10);
    context.textAlign = side === 1 ? 'left' : 'right';
    context.fillStyle = harm ? colours.clay : colours.soft;
    const words =
      layout.reach >= roomForJump && jump !== null ? `${dropped} ${signedText(jump, 2)}` : String(dropped);
    context.fillText(words, place.x + side * 14, place.y + y + 1.5);
  }
}

/**
 * Draws the whole map as it stands at `now`, in pixels of the page; the canvas is cleared before.
 *
 * @param motion was aimed at `limbAims` of this scene.
 */
export function drawTree(
  context: CanvasRenderingContext2D,
  scene: TreeScene,
  colours: Colours,
  moving: Moving,
): void {
  context.clearRect(0, 0, scene.layout.width, scene.layout.height);
  drawGround(context, scene, colours);
  for (const module of scene.modules) drawModule(context, scene, colours, module, moving);
}
