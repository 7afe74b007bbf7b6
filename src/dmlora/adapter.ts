// The adapter's state as plain values: branches, scalars, head and the optimiser's moments. Every event of
// the method (a drop, the start of a stage) is a function from state to state in this folder; engines only
// compute steps on it.
//
//   symbol  variable            shape          symbol  variable        shape
//   A_k     branch.A (down)     [r, in]        s_m     module.scalar   one number
//   B_k     branch.B (up)       [out, r]       g_mk    Gates           one number a live branch
import { ndArray, zeros, type NdArray } from '../shared/array.ts';
import { randomStream } from '../shared/random.ts';
import { linearName, linearShape, type Linear, type ParamName } from '../vit/parameters.ts';
import { headInputs, type VitConfig } from '../vit/vit-config.ts';
import { targetSets } from './targets.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';

/** The name of an adapted linear: `blocks.3.q`. */
export type ModuleName = string;

export interface Branch {
  /** The branch's number from the start; it keeps it when others leave. */
  readonly index: number;
  readonly A: NdArray; // [rank, in]
  readonly B: NdArray; // [out, rank]
  /** Of one that fades (fading.ts); without it its gate is 1. */
  readonly fading?: Fading;
}

/** A branch that fades out between two numbers of done steps, and the gate that it has now. */
export interface Fading {
  readonly from: number;
  readonly until: number;
  readonly gate: number;
}

export interface AdaptedModule {
  readonly name: ModuleName;
  readonly scalar: number;
  /** The live branches, in ascending index. */
  readonly branches: readonly Branch[];
  /** What dropped branches left in the frozen weight, W + B A; absent where they left nothing. */
  readonly absorbed?: LoraPair;
}

/** The factors of an update B A. */
export interface LoraPair {
  readonly A: NdArray; // [R, in]
  readonly B: NdArray; // [out, R]
}

/** Adam's two moments and its step count for one parameter; absent means fresh. */
export interface Moments {
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly steps: number;
}

export interface Adapter {
  readonly modules: readonly AdaptedModule[];
  readonly head: {
    readonly weight: NdArray /* [classes, headInputs] */;
    readonly bias: NdArray; /* [classes] */
  };
  readonly moments: ReadonlyMap<ParamName, Moments>;
}

/**
 * Gates of the live branches by module, in the order of `branches`; a module that is absent has its own: 1, or
 * less where a branch fades.
 */
export type Gates = ReadonlyMap<ModuleName, readonly number[]>;
export const allOpen: Gates = new Map();

/** The gates of one module. */
export function gatesOf(gates: Gates, module: AdaptedModule): readonly number[] {
  return gates.get(module.name) ?? ownGates(module);
}

const ownGates = ({ branches }: AdaptedModule): readonly number[] =>
  branches.map(({ fading }) => fading?.gate ?? 1);

/** Gates that say all that an adapter's own ones say; the given ones themselves where nothing fades. */
export function resolvedGates({ modules }: Adapter, gates: Gates): Gates {
  const fading = modules.some(({ branches }) => branches.some((branch) => branch.fading !== undefined));
  return fading ? new Map(modules.map((one) => [one.name, gates.get(one.name) ?? ownGates(one)])) : gates;
}

/** Names of the trainable parameters, as in reference vectors, moments and checkpoints. */
export const paramNames = {
  down: (module: ModuleName, branch: number): ParamName => `${module}.A.${branch}`,
  up: (module: ModuleName, branch: number): ParamName => `${module}.B.${branch}`,
  scalar: (module: ModuleName): ParamName => `${module}.s`,
  headWeight: 'head.weight',
  headBias: 'head.bias',
} as const;

/** What of the adapter an optimiser step may change. */
export interface Trains {
  readonly branches: boolean;
  readonly scalars: boolean;
  readonly head: boolean;
}

/** The linears that get branches, block by block; `position` counts those of all blocks, frozen ones too. */
export function adaptedLinears(
  config: VitConfig,
  { targets, firstBlock }: DmloraOptions,
): { block: number; linear: Linear; position: number }[] {
  const linears = targetSets[targets];
  return Array.from({ length: config.depth }, (_, block) =>
    linears.map((linear, i) => ({ block, linear, position: block * linears.length + i })),
  )
    .slice(firstBlock)
    .flat();
}

/**
 * The adapter before the first step: A uniform in +-1/sqrt(in), B zero (so that the adapted model equals the
 * frozen one bit for bit), s = s0, head normal with deviation 0.02 cut at two deviations, bias 0. Each branch
 * draws from a stream of its own, so more branches or layers do not change the others.
 */
export function initialAdapter(
  config: VitConfig,
  classes: number,
  options: DmloraOptions,
  seed: number,
): Adapter {
  const modules = adaptedLinears(config, options).map(({ block, linear, position }) => {
    const [out, input] = linearShape(config, linear);
    const branches = Array.from({ length: options.branches }, (_, index): Branch => {
      const stream = randomStream(seed, 'branchInit', position * 16 + index);
      const bound = 1 / Math.sqrt(input);
      const values = Float32Array.from(
        { length: options.rank * input },
        (_, i) => (2 * stream.uniform(i) - 1) * bound,
      );
      return { index, A: ndArray([options.rank, input], values), B: zeros([out, options.rank]) };
    });
    return { name: linearName(block, linear), scalar: options.scalarStart, branches };
  });
  const stream = randomStream(seed, 'headInit');
  const weight = Float32Array.from(
    { length: classes * headInputs(config) },
    (_, i) => 0.02 * truncatedNormal(stream, i),
  );
  return {
    modules,
    head: { weight: ndArray([classes, headInputs(config)], weight), bias: zeros([classes]) },
    moments: new Map(),
  };
}

/**
 * A standard normal draw within +-2, by rejection; the draw of element i never depends on another element.
 */
function truncatedNormal(stream: ReturnType<typeof randomStream>, i: number): number {
  for (let attempt = 0; ; attempt++) {
    const value = stream.normal(i, attempt);
    if (Math.abs(value) <= 2) return value;
  }
}

/** Every trainable parameter of the adapter under its name; scalars as arrays of one element and rank 0. */
export function parametersOf(adapter: Adapter): Map<ParamName, NdArray> {
  const parameters = new Map<ParamName, NdArray>();
  for (const { name, scalar, branches } of adapter.modules) {
    for (const { index, A, B } of branches)
      parameters.set(paramNames.down(name, index), A).set(paramNames.up(name, index), B);
    parameters.set(paramNames.scalar(name), ndArray([], Float32Array.of(scalar)));
  }
  return parameters
    .set(paramNames.headWeight, adapter.head.weight)
    .set(paramNames.headBias, adapter.head.bias);
}

/** The same adapter with the values of `parameters`; throws when one is missing. */
export function withParameters(adapter: Adapter, parameters: ReadonlyMap<ParamName, NdArray>): Adapter {
  const value = (name: ParamName): NdArray => {
    const array = parameters.get(name);
    if (array === undefined) throw new Error(`parameter ${name} is missing`);
    return array;
  };
  return {
    modules: adapter.modules.map((module) => ({
      ...module,
      scalar: value(paramNames.scalar(module.name)).data[0] ?? module.scalar,
      branches: module.branches.map((branch) => ({
        ...branch,
        A: value(paramNames.down(module.name, branch.index)),
        B: value(paramNames.up(module.name, branch.index)),
      })),
    })),
    head: { weight: value(paramNames.headWeight), bias: value(paramNames.headBias) },
    moments: adapter.moments,
  };
}
