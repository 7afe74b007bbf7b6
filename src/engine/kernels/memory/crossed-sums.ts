// Where the matrices of crossed branches lie, and where their sums: the tables and gates of shaders/crossed-sums.ts.
import type { Gates } from '../../../dmlora/adapter.ts';
import { sideGatesOf } from '../../../dmlora/crossed.ts';
import { present } from '../../../shared/assert.ts';
import { tileVec4s } from '../shaders/crossed-sums.ts';
import type { FlatLayout } from './flat-parameters.ts';

/**
 * The gate of what is no branch and is carried over as it is: 1. The others follow, module by module, downs
 * then ups.
 */
const carried = 0;

function firstGates({ adapter }: FlatLayout): number[] {
  let next = carried + 1;
  return adapter.modules.map(({ branches }) => (next += 2 * branches.length) - 2 * branches.length);
}

export function gateCount({ adapter }: FlatLayout): number {
  return 1 + adapter.modules.reduce((sum, { branches }) => sum + 2 * branches.length, 0);
}

/** The gates of both sides of every module. */
export function packSideGates(stored: FlatLayout, gates: Gates, into: Float32Array): void {
  into[carried] = 1;
  const first = firstGates(stored);
  stored.adapter.modules.forEach((module, m) => {
    const { down, up } = sideGatesOf(gates, module);
    into.set([...down, ...up], present(first[m], module.name));
  });
}

export interface CrossedTiles {
  /** Those of the branches, then those of all else, which are carried over. */
  readonly table: Uint32Array<ArrayBuffer>;
  readonly ofBranches: number;
  readonly all: number;
}

/** @param summed the layout of the same modules with one branch each. */
export function crossedTiles(stored: FlatLayout, summed: FlatLayout): CrossedTiles {
  const words: number[] = [];
  const put = (from: number, to: number, size: number, branches: number, gate: number): void => {
    for (let at = 0; at < size; at += tileVec4s)
      words.push(from + at, to + at, Math.min(tileVec4s, size - at), size, branches, gate, 0, 0);
  };
  const first = firstGates(stored);
  stored.sites.forEach((site, s) => {
    const to = present(summed.sites[s], 'a site');
    site.parts.forEach(({ module, rank, branches, first: column, up }, p) => {
      if (module === null) return;
      const part = present(to.parts[p], 'a part');
      const gate = present(first[module], 'a gate');
      const down = [site.offset + column * site.inner, to.offset + part.first * to.inner] as const;
      put(...down, (rank * site.inner) / 4, branches, gate);
      put(site.offset + up, to.offset + part.up, (rank * site.columns) / 4, branches, gate + branches);
    });
  });
  const ofBranches = words.length / 8;
  const begin = stored.ends.branches;
  put(begin, summed.ends.branches, stored.length - begin, 1, carried);
  return { table: Uint32Array.from(words), ofBranches, all: words.length / 8 };
}
