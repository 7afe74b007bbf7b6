// A site: linears of a block that read the same input (q, k and v; proj; fc1; fc2) and so share one low-rank
// intermediate u = x [A of all live branches of all parts]'. Says where each branch's rows lie in the flat
// parameters.
//
//   site's parameters:  down [4 width, inner], then for each adapted part up [4 count, columns] (B transposed)
//   intermediate:       [rows, 4 width], the parts' columns one after another, branches within a part, each part
//                       padded to a multiple of 4 columns
import type { Adapter } from '../../../dmlora/adapter.ts';
import { present } from '../../../shared/assert.ts';
import { linearName, type Linear } from '../../../vit/parameters.ts';
import { linearShape, linears } from '../../../vit/parameters.ts';
import type { VitConfig } from '../../../vit/vit-config.ts';
import { headPlaces, padded, plainPlaces, type Places, type Widths } from './widths.ts';

export const siteLinears = {
  qkv: ['q', 'k', 'v'],
  proj: ['proj'],
  fc1: ['fc1'],
  fc2: ['fc2'],
} as const satisfies Record<string, readonly Linear[]>;
export type SiteKind = keyof typeof siteLinears;
export const siteKinds = ['qkv', 'proj', 'fc1', 'fc2'] as const satisfies readonly SiteKind[];

interface SitePart {
  /** Position in the adapter's list of modules, or null where this linear has no branches. */
  readonly module: number | null;
  readonly rank: number;
  /** Live branches. */
  readonly branches: number;
  /** First column of the intermediate and number of columns, in vec4s. */
  readonly first: number;
  readonly count: number;
  /** Begin of the up matrix within the site, in vec4s. */
  readonly up: number;
}

export interface Site {
  readonly block: number;
  readonly kind: SiteKind;
  readonly parts: readonly SitePart[];
  /** Columns of the intermediate. */
  readonly width: number;
  /** Padded widths of the input and of one part's output, and where their elements lie. */
  readonly inner: number;
  readonly columns: number;
  readonly inputPlaces: Places;
  readonly outputPlaces: Places;
  /** Begin within the flat parameters and length, in vec4s. */
  readonly offset: number;
  readonly length: number;
  /** First of its columns in the gates and scales. */
  readonly scales: number;
}

/** Offsets of bindings must be multiples of 256 bytes: 16 vec4s, 64 floats. */
export function aligned(count: number, unit: number): number {
  return Math.ceil(count / unit) * unit;
}

/** The adapted sites in the order of the forward pass. */
export function sitesOf(config: VitConfig, widths: Widths, adapter: Adapter): Site[] {
  const positions = new Map(adapter.modules.map((module, i) => [module.name, i]));
  const sites: Site[] = [];
  let offset = 0;
  let scales = 0;
  for (let block = 0; block < config.depth; block++)
    for (const kind of siteKinds) {
      const names = siteLinears[kind].map((linear) => linearName(block, linear));
      if (!names.some((name) => positions.has(name))) continue;
      const [out, input] = linearShape(config, siteLinears[kind][0]);
      const inner = { qkv: widths.dim, proj: widths.context, fc1: widths.dim, fc2: widths.mlp }[kind];
      const columns = { qkv: widths.context, proj: widths.dim, fc1: widths.mlp, fc2: widths.dim }[kind];
      let first = 0;
      const counted = names.map((name) => {
        const module = positions.get(name) ?? null;
        const branches = module === null ? [] : present(adapter.modules[module], name).branches;
        const rank = branches[0]?.A.shape[0] ?? 0;
        const part = { module, rank, branches: branches.length, first };
        const count = padded(rank * branches.length) / 4;
        first += count;
        return { ...part, count };
      });
      let up = first * inner; // vec4s of down: 4 first rows of inner / 4
      const parts = counted.map((part) => {
        const begin = up;
        up += part.count * columns;
        return { ...part, up: begin };
      });
      sites.push({
        block,
        kind,
        parts,
        width: 4 * first,
        inner,
        columns,
        inputPlaces: kind === 'proj' ? headPlaces(config) : plainPlaces(input),
        outputPlaces: kind === 'qkv' ? headPlaces(config) : plainPlaces(out),
        offset,
        length: up,
        scales,
      });
      offset += aligned(up, 16);
      scales += aligned(4 * first, 64);
    }
  return sites;
}

/** Whether a linear of this name exists at all: a module of another name is a bug of the caller. */
export function isLinearName(name: string, depth: number): boolean {
  const [, block = '', linear = ''] = /^blocks\.(\d+)\.(\w+)$/.exec(name) ?? [];
  return block !== '' && Number(block) < depth && linears.some((known) => known === linear);
}
