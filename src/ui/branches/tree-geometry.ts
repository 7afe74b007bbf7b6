// Where trunks and branches of the branch map stand: a trunk for each adapted linear, rising through the
// blocks, with the branches of each block to its left and right. Pure arithmetic in pixels.
import type { BranchView, ModuleView } from '../../worker/protocol.ts';

export interface TreeShape {
  readonly blocks: number;
  readonly linears: number;
  /** Branches of one module. */
  readonly branches: number;
  /** Pixels that the picture may take. */
  readonly width: number;
}

export interface TreeLayout {
  readonly width: number;
  readonly height: number;
  /** Left edge of the trunks' part: the block numbers stand before it. */
  readonly left: number;
  readonly top: number;
  readonly cellWidth: number;
  readonly rowHeight: number;
  /** Longest branch. */
  readonly reach: number;
  /** How far a branch rises from root to tip. */
  readonly rise: number;
  /** Vertical distance of branches on one side. */
  readonly levelGap: number;
}

/** Pixels before the trunks, where the numbers of the blocks stand. */
export const numbersWidth = 34;
const leastCell = 42;
const groundHeight = 34;
/** Small models get tall rows, large ones as little as their branches need. */
const wantedHeight = 370;
const mostRow = 74;

export function treeLayout({ blocks, linears, branches, width }: TreeShape): TreeLayout {
  const levels = Math.max(1, Math.ceil(branches / 2));
  const rowHeight = Math.min(mostRow, Math.max(levels * 9 + 9, wantedHeight / blocks));
  const levelGap = Math.min(26, (rowHeight - 8) / levels);
  const rise = Math.min(34, levelGap * 1.25);
  // Room for the tips of the last block.
  const top = 12 + rise / 2;
  const room = Math.max(0, width - numbersWidth);
  const cellWidth = Math.min(330, Math.max(leastCell, room / linears));
  return {
    width: Math.max(width, numbersWidth + cellWidth * linears),
    height: top + blocks * rowHeight + groundHeight,
    left: numbersWidth + Math.max(0, (room - cellWidth * linears) / 2),
    top,
    cellWidth,
    rowHeight,
    reach: Math.min(140, cellWidth / 2 - 9),
    rise,
    levelGap,
  };
}

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Foot of a module on its trunk; block 0 is at the bottom, as the image flows upwards. */
export function modulePlace(layout: TreeLayout, blocks: number, block: number, column: number): Place {
  return {
    x: layout.left + (column + 0.5) * layout.cellWidth,
    y: layout.top + (blocks - block) * layout.rowHeight - 6,
  };
}

/** Where branch `index` leaves the trunk, seen from the module's foot, and to which side it grows. */
export function branchPlace(
  layout: TreeLayout,
  index: number,
): { readonly y: number; readonly side: 1 | -1 } {
  const level = Math.floor(index / 2);
  const side = index % 2 === 0 ? 1 : -1;
  // Sides alternate in height too, so that no two leave the trunk at one point.
  return { y: -level * layout.levelGap - (side === 1 ? 0 : layout.levelGap * 0.4), side };
}

/** Share of the full length that a branch of this strength has: never nothing, so that a bud can be seen. */
export function growth(strength: number, strongest: number): number {
  const least = 0.2;
  return strongest <= 0
    ? least
    : least + (1 - least) * Math.sqrt(Math.min(1, Math.max(0, strength / strongest)));
}

/**
 * Share of a branch in the update of its layer: its norm of the sum of the norms of those that are live, 0 of one
 * that has left. Before anything is learned all have the same.
 */
export function shareOf({ branches }: ModuleView, branch: BranchView): number {
  if (branch.droppedAt !== null) return 0;
  const live = branches.filter(({ droppedAt }) => droppedAt === null);
  const sum = live.reduce((all, { strength }) => all + strength, 0);
  return sum > 0 ? branch.strength / sum : 1 / live.length;
}

/** Pixels of a branch of that share. */
export const thickness = (share: number): number => 1 + 5 * share;
