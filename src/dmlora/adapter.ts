// The adapter's state as plain values: branches, scalars, head and the optimiser's moments. Every event of
// the method (a drop, the start of a stage) is a function from state to state in this folder; engines only
// compute steps on it.
//
//   symbol  variable            shape          symbol  variable        shape
//   A_k     branch.A (down)     [r, in]        s_m     module.scalar   one number
//   B_k     branch.B (up)       [out, r]       g_mk    Gates           one number a live branch
//                                              c       factorOf        one number, fixed
import { assert } from '../shared/assert.ts';
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

/** alpha / r as in LoRA, or alpha / sqrt(r) as in rsLoRA. */
export interface Scaling {
  readonly by: 'lora' | 'rslora';
  readonly alpha: number;
}

export interface AdaptedModule {
  readonly name: ModuleName;
  readonly scalar: number;
  /** The scalar's name where several modules have it in common: then all of them have its value. */
  readonly sharedScalar?: ParamName;
  /** By what the whole output is multiplied beside s: `factorOf`. Absent: by nothing. */
  readonly scaling?: Scaling;
  /** Each down matrix goes with every up matrix (crossed.ts); absent: with that of its own branch. */
  readonly crossed?: true;
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
  /**
   * Parameters of the backbone that train too (tuned.ts), by their names in parameters.ts: their values, in place
   * of the checkpoint's. Absent: none.
   */
  readonly backbone?: ReadonlyMap<ParamName, NdArray>;
  readonly moments: ReadonlyMap<ParamName, Moments>;
}

/**
 * Gates of the live branches by module, in the order of `branches`; a module that is absent has its own: 1, or
 * less where a branch fades.
 */
export type Gates = ReadonlyMap<ModuleName, readonly number[] | SideGates>;

/** Gates of a crossed module whose down and up matrices are drawn apart, one a live branch each. */
export interface SideGates {
  readonly down: readonly number[];
  readonly up: readonly number[];
}

/** Whether a module's gates are those of its sides. */
export const isOfSides = (gates: readonly number[] | SideGates): gates is SideGates => 'down' in gates;

export const allOpen: Gates = new Map();

/**
 * The gates of one paired module times its fixed factor: all that the branches' sum is weighted with beside
 * s, so that engines, merge and exports have the factor by having gates.
 */
export function gatesOf(gates: Gates, module: AdaptedModule): readonly number[] {
  const factor = factorOf(module);
  const open = gates.get(module.name) ?? ownGates(module);
  assert(!isOfSides(open) && module.crossed !== true, () => `${module.name} has gates for each side`);
  return factor === 1 ? open : open.map((gate) => factor * gate);
}

const ownGates = ({ branches }: AdaptedModule): readonly number[] =>
  branches.map(({ fading }) => fading?.gate ?? 1);

/**
 * Gates that say all that an adapter's own ones say, without the fixed factors; the given ones themselves where
 * nothing fades.
 */
export function resolvedGates({ modules }: Adapter, gates: Gates): Gates {
  const fading = modules.some(({ branches }) => branches.some((branch) => branch.fading !== undefined));
  return fading ? new Map(modules.map((one) => [one.name, gates.get(one.name) ?? ownGates(one)])) : gates;
}

/**
 * The fixed factor c of a module's output, never trained: 1, alpha / r (Hu et al., "LoRA", 2022) or alpha / sqrt(r)
 * (Kalajdzievski, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA", 2023). r is the rank of one
 * branch: a drop does not change what the others add.
 */
export function factorOf({ scaling, branches }: Pick<AdaptedModule, 'scaling' | 'branches'>): number {
  const rank = branches[0]?.A.shape[0] ?? 1;
  return scaling === undefined ? 1 : scaling.alpha / (scaling.by === 'lora' ? rank : Math.sqrt(rank));
}

/** Names of the trainable parameters, as in reference vectors, moments and checkpoints. */
export const paramNames = {
  down: (module: ModuleName, branch: number): ParamName => `${module}.A.${branch}`,
  up: (module: ModuleName, branch: number): ParamName => `${module}.B.${branch}`,
  scalar: ({ name, sharedScalar }: Pick<AdaptedModule, 'name' | 'sharedScalar'>): ParamName =>
    sharedScalar ?? `${name}.s`,
  headWeight: 'head.weight',
  headBias: 'head.bias',
  /** Of a parameter of the backbone that trains. */
  backbone: (weight: ParamName): ParamName => `backbone.${weight}`,
} as const;

/** What of the adapter an optimiser step may change. */
export interface Trains {
  /** Branches, and what of the backbone trains. */
  readonly branches: boolean;
  readonly scalars: boolean;
  readonly head: boolean;
}

/** The linears that get branches, block by block; `position` counts those of all blocks, frozen ones too. */
export function adaptedLinears(
  config: VitConfig,
  { branches, targets, firstBlock }: DmloraOptions,
): { block: number; linear: Linear; position: number }[] {
  const linears = branches === 0 ? [] : targetSets[targets];
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
  const { scaling: by } = options;
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
    return {
      name: linearName(block, linear),
      scalar: options.scalarStart,
      ...(options.scalarShare === 'linear'
        ? {}
        : { sharedScalar: options.scalarShare === 'block' ? `blocks.${block}.s` : 'all.s' }),
      ...(by === 'none' ? {} : { scaling: { by, alpha: options.alpha } }),
      ...(options.pairing === 'crossed' ? { crossed: true as const } : {}),
      branches,
    };
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

/** A scalar of the adapter, and the modules whose it is: a run of them, since blocks lie together. */
export interface ScalarPlace {
  readonly name: ParamName;
  readonly first: number;
  readonly count: number;
}

/** The adapter's scalars in the order of its modules. */
export function scalarPlaces({ modules }: Pick<Adapter, 'modules'>): ScalarPlace[] {
  const places: ScalarPlace[] = [];
  modules.forEach((module, i) => {
    const name = paramNames.scalar(module);
    const last = places.at(-1);
    if (last?.name === name) places[places.length - 1] = { ...last, count: last.count + 1 };
    else places.push({ name, first: i, count: 1 });
  });
  assert(
    new Set(places.map(({ name }) => name)).size === places.length,
    'modules of one scalar lie together',
  );
  return places;
}

/** Every trainable parameter of the adapter under its name; scalars as arrays of one element and rank 0. */
export function parametersOf(adapter: Adapter): Map<ParamName, NdArray> {
  const parameters = new Map<ParamName, NdArray>();
  for (const module of adapter.modules) {
    const { name, scalar, branches } = module;
    for (const { index, A, B } of branches)
      parameters.set(paramNames.down(name, index), A).set(paramNames.up(name, index), B);
    parameters.set(paramNames.scalar(module), ndArray([], Float32Array.of(scalar)));
  }
  parameters.set(paramNames.headWeight, adapter.head.weight).set(paramNames.headBias, adapter.head.bias);
  for (const [name, values] of adapter.backbone ?? []) parameters.set(paramNames.backbone(name), values);
  return parameters;
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
      scalar: value(paramNames.scalar(module)).data[0] ?? module.scalar,
      branches: module.branches.map((branch) => ({
        ...branch,
        A: value(paramNames.down(module.name, branch.index)),
        B: value(paramNames.up(module.name, branch.index)),
      })),
    })),
    head: { weight: value(paramNames.headWeight), bias: value(paramNames.headBias) },
    ...(adapter.backbone === undefined
      ? {}
      : {
          backbone: new Map(
            [...adapter.backbone.keys()].map((name) => [name, value(paramNames.backbone(name))]),
          ),
        }),
    moments: adapter.moments,
  };
}
