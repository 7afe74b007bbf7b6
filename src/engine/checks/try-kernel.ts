// One kernel by name: its WGSL, how far its outputs are from float64, and what it takes. For `npm run kernel`
// and the playground.
import type { Gpu } from '../gpu.ts';
import type { Kernel } from '../kernels/shaders/kernel.ts';
import type { MatmulTile } from '../kernels/shaders/matmul.ts';
import {
  agrees,
  differencesOf,
  tileOf,
  timeOf,
  valuesOf,
  WrongShape,
  type Difference,
  type KernelEntry,
  type Values,
} from './kernel-cases.ts';
import { kernelTable } from './kernel-table.ts';

/** What is asked for; texts as a person types them. */
export interface KernelRequest {
  readonly name: string;
  readonly shape: Values;
  readonly seed: number;
  readonly tile: string | null;
}

export interface Tried {
  readonly device: string;
  readonly software: boolean;
  /** Whether the time is the device's own. */
  readonly timestamps: boolean;
  readonly differences: readonly Difference[];
  readonly agrees: boolean;
  /** Milliseconds of one dispatch. */
  readonly ms: number;
}

/** The table as rows, in its order. */
export const kernels: readonly (readonly [name: string, KernelEntry])[] = Object.entries(kernelTable);

/** "rows=67 inner=44 parts=3|1": what can be said of a kernel's shape, with its defaults first. */
export function shapeInWords({ sizes, choices }: KernelEntry): string {
  return [
    ...Object.entries(sizes).map(([name, { value }]) => `${name}=${value}`),
    ...Object.entries(choices).map(([name, words]) => `${name}=${words.join('|')}`),
  ].join(' ');
}

function entryOf(name: string): KernelEntry {
  const found = kernels.find(([known]) => known === name);
  if (found !== undefined) return found[1];
  const names = kernels.map(([known]) => `  ${known}`).join('\n');
  throw new WrongShape(`There is no kernel "${name}": give one of\n${names}`);
}

function caseOf({ name, shape, seed, tile }: KernelRequest) {
  const row = entryOf(name);
  const values = valuesOf(row, shape);
  let chosen: MatmulTile | undefined;
  if (tile !== null) {
    if (!row.tiled) throw new WrongShape(`${name} has no tiles: leave --tile out.`);
    chosen = tileOf(tile);
  }
  return { values, case: row.make(values, seed, chosen) };
}

/** The kernel that a request names, without a device: its code and workgroups. Throws a WrongShape. */
export function kernelOf(request: KernelRequest): {
  readonly kernel: Kernel;
  readonly values: Values;
  readonly grid: readonly number[];
} {
  const { values, case: made } = caseOf(request);
  return { kernel: made.kernel, values, grid: made.grid };
}

/** Compiles the kernel, runs it, compares it with float64 and times it. Throws a WrongShape. */
export async function tryKernel(gpu: Gpu, request: KernelRequest): Promise<Tried> {
  const { case: made } = caseOf(request);
  const differences = await differencesOf(gpu.device, made);
  return {
    device: gpu.name,
    software: gpu.software,
    timestamps: gpu.facts.features.includes('timestamp-query'),
    differences,
    agrees: differences.every(agrees),
    ms: await timeOf(gpu, made),
  };
}
