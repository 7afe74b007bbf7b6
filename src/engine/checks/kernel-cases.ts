// A kernel as something to try: its parameters with defaults, random operands, and what float64 makes of
// them. Checks, the command `npm run kernel` and the playground run the cases of kernel-table.ts through this
// file.
import { present } from '../../shared/assert.ts';
import type { Gpu } from '../gpu.ts';
import { DeviceMemory, plannedBuffer, type Region } from '../kernels/device/device-memory.ts';
import { Pipelines } from '../kernels/device/pipelines.ts';
import type { Grid, Kernel } from '../kernels/shaders/kernel.ts';
import type { MatmulTile } from '../kernels/shaders/matmul.ts';
import { stepStruct } from '../kernels/shaders/structs.ts';
import { StopWatch } from '../kernels/tuning/stop-watch.ts';
import { tileName, tileSet } from '../kernels/tuning/tile-set.ts';
import { largestDifference, type Tolerance } from './close.ts';
import { runKernel, type Data } from './kernel-runner.ts';

/** A number that is a multiple of `multiple` and at least `least`. */
interface Size {
  readonly value: number;
  readonly multiple: number;
  readonly least: number;
}

/** Gives a size; other programs write its default as a number. */
export const size = (value: number, multiple = 1, least = multiple): Size => ({ value, multiple, least });

/** One kernel with operands, and what its outputs must be. */
export interface KernelCase {
  readonly kernel: Kernel;
  readonly grid: Grid;
  readonly operands: Readonly<Record<string, Data>>;
  readonly outputs: readonly Output[];
}

export interface Output {
  /** The operand that is read back. */
  readonly of: string;
  readonly values: ArrayLike<number>;
  readonly tolerance?: Tolerance;
  /** What of the operand is compared, where it is not all of it: a part, a sum over chunks, words. */
  readonly see?: (got: Float32Array) => ArrayLike<number>;
}

type Sizes = Readonly<Record<string, Size>>;
type Choices = Readonly<Record<string, readonly [string, ...string[]]>>;
export type Values = Readonly<Record<string, number | string>>;

/** A row of the table of kernels. */
export interface KernelEntry {
  readonly about: string;
  /** The file of kernels/shaders/ that writes it. */
  readonly file: string;
  readonly sizes: Sizes;
  /** The first of each is the default. */
  readonly choices: Choices;
  /** Whether it is divided into tiles of tuning's set. */
  readonly tiled: boolean;
  /** Values are those of `valuesOf`. */
  make(values: Values, seed: number, tile: MatmulTile | undefined): KernelCase;
}

interface EntryOf<S extends Sizes, C extends Choices> {
  readonly about: string;
  readonly file: string;
  readonly sizes: S;
  readonly choices: C;
  readonly tiled?: boolean;
  make(
    values: { readonly [K in keyof S]: number } & { readonly [K in keyof C]: C[K][number] },
    seed: number,
    tile: MatmulTile | undefined,
  ): KernelCase;
}

/** A row whose maker knows the names of its own parameters. */
export function entry<const S extends Sizes, const C extends Choices>(of: EntryOf<S, C>): KernelEntry {
  // A method's parameters may be narrower: valuesOf puts a number at every size and a word at every choice.
  return { tiled: false, ...of };
}

/** Parameters that cannot be what was asked for; the message says which and what is allowed. */
export class WrongShape extends Error {
  override readonly name = 'WrongShape';
}

/** The values of all parameters: those given, the others their defaults. Throws a WrongShape. */
export function valuesOf({ sizes, choices }: KernelEntry, given: Values = {}): Values {
  const names = [...Object.keys(sizes), ...Object.keys(choices)];
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new WrongShape(`There is no "${unknown}" in its shape: give some of ${names.join(', ')}.`);
  const values: Record<string, number | string> = {};
  for (const [name, { value, multiple, least }] of Object.entries(sizes)) {
    const own = given[name] === undefined ? value : Number(given[name]);
    if (!Number.isSafeInteger(own) || own < least || own % multiple !== 0)
      throw new WrongShape(
        `${name} is ${String(given[name])}: give a whole number from ${least} on` +
          `${multiple === 1 ? '' : `, a multiple of ${multiple}`}, such as ${value}.`,
      );
    values[name] = own;
  }
  for (const [name, words] of Object.entries(choices)) {
    const own = String(given[name] ?? words[0]);
    if (!words.includes(own)) throw new WrongShape(`${name} is "${own}": give one of ${words.join(', ')}.`);
    values[name] = own;
  }
  return values;
}

/** A tile of tuning's set by its name or its number from 1 on. Throws a WrongShape that lists them. */
export function tileOf(text: string): MatmulTile {
  const tile = tileSet.find((one, i) => tileName(one) === text || String(i + 1) === text);
  if (tile !== undefined) return tile;
  const names = tileSet.map((one, i) => `  ${i + 1}  ${tileName(one)}`).join('\n');
  throw new WrongShape(`There is no tile "${text}": give the number or the name of one of\n${names}`);
}

export interface Difference {
  readonly output: string;
  readonly difference: number;
  readonly allowed: number;
  readonly values: number;
}

/**
 * Rounding of a float32 sum of some hundred products of values below 1, with room for another order of
 * addition.
 */
const close: Tolerance = { abs: 2e-5, rel: 2e-5 };

/** Runs a case; how far each output is from float64, and how far it may be. */
export async function differencesOf(device: GPUDevice, of: KernelCase): Promise<readonly Difference[]> {
  const found: Difference[] = [];
  for (const { of: output, values, tolerance = close, see } of of.outputs) {
    const got = await runKernel(device, of.kernel, of.grid, of.operands, output);
    let largest = 0;
    for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] ?? NaN));
    found.push({
      output,
      difference: largestDifference(see === undefined ? got : see(got), values),
      allowed: tolerance.abs + tolerance.rel * largest,
      values: values.length,
    });
  }
  return found;
}

/** Whether it is as near to float64 as it may be; NaN is not. */
export const agrees = ({ difference, allowed }: Difference): boolean => difference <= allowed;

/** Runs a kernel of the table; throws with the output that is off. */
export async function checkKernel(
  device: GPUDevice,
  of: KernelEntry,
  given: Values,
  seed: number,
  tile?: MatmulTile,
): Promise<void> {
  const values = valuesOf(of, given);
  const one = of.make(values, seed, tile);
  for (const found of await differencesOf(device, one))
    if (!agrees(found))
      throw new Error(
        `${one.kernel.name}, ${found.output}: differs by ${found.difference}, allowed ${found.allowed} ` +
          `(${found.values} values; ${JSON.stringify(values)}, seed ${seed})`,
      );
}

/** Milliseconds of one dispatch: the median of several measurements, by timestamps where there are any. */
export async function timeOf(gpu: Gpu, of: KernelCase, measurements = 5): Promise<number> {
  const { device } = gpu;
  const memory = new DeviceMemory(device);
  const watch = new StopWatch(gpu, () => performance.now());
  try {
    const regions = of.kernel.bindings.map(({ name }): Region => {
      const data = present(of.operands[name], name);
      const buffer = plannedBuffer(name, data.byteLength, 'table');
      memory.allocate(buffer);
      const whole = new Uint8Array(Math.ceil(data.byteLength / 4) * 4);
      whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      const region = { buffer, offset: 0, bytes: whole.byteLength };
      memory.write(region, whole);
      return region;
    });
    const { pipeline, layout } = await Pipelines.of(device).get(of.kernel);
    const entries = regions.map((region, binding) => ({ binding, resource: memory.bind(region) }));
    const group = device.createBindGroup({ layout, entries });
    return await watch.median((pass, repeats) => {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let j = 0; j < repeats; j++) pass.dispatchWorkgroups(of.grid[0], of.grid[1], of.grid[2]);
    }, measurements);
  } finally {
    watch.dispose();
    memory.freeAll();
  }
}

/** A step that holds `images` images. */
export function stepOf(images: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(stepStruct.bytes / 4);
  words[2] = images;
  return words;
}

export const partOf = (first: number): Uint32Array<ArrayBuffer> => Uint32Array.of(first, 0, 0, 0);
