// The JSON of a checkpoint: what of a run is no tensor, checked field by field before anything is made of it.
import * as v from 'valibot';
import { completedRecipe } from '../recipe/older-recipes.ts';
import { readRecipe } from '../recipe/read-recipe.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { HeadFacts } from './saved-run.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** Any number at all: what a run measured need not be finite. */
const measured = v.union([v.number(), v.nan()]);
const metrics = v.object({ loss: measured, accuracy: measured, recall: v.optional(measured) });
const drops = v.array(
  v.object({
    step: count,
    module: v.string(),
    branch: count,
    strength: measured,
    lossBefore: measured,
    lossAfter: measured,
  }),
);

const adapter = v.object({
  modules: v.array(
    v.object({
      name: v.string(),
      scalar: measured,
      sharedScalar: v.exactOptional(v.string()),
      scaling: v.exactOptional(v.object({ by: v.picklist(['lora', 'rslora']), alpha: measured })),
      crossed: v.exactOptional(v.literal(true)),
      branches: v.array(count),
      /** Of branches that fade. */
      fading: v.optional(v.array(v.object({ index: count, from: count, until: count, gate: v.number() }))),
      /** Whether it absorbed some, whose tensors stand beside the JSON. */
      absorbed: v.optional(v.boolean()),
    }),
  ),
  moments: v.array(v.tuple([v.string(), count])),
  /** What it holds of the backbone, by the names of the weights; their tensors stand beside the JSON. */
  backbone: v.exactOptional(v.array(v.string())),
});
const adapterOrRole = v.union([v.picklist(['adapter', 'best', 'stage1End']), adapter]);
const validated = v.object({ step: count, validation: metrics, drops, adapter: adapterOrRole });

const diverged = v.object({
  kind: v.literal('diverged'),
  step: count,
  why: v.picklist(['far', 'lost', 'not-finite']),
  loss: v.nullable(measured),
  startLoss: measured,
  rate: v.object({
    field: v.picklist(['learningRate', 'headRate', 'scalarRate']),
    now: v.number(),
    advised: v.number(),
  }),
  keptStep: v.nullable(count),
});

const state = v.object({
  step: count,
  stage: v.picklist([1, 2]),
  adapter: adapterOrRole,
  dropEvents: count,
  drops,
  /** Their tensors stand beside the JSON; form 1 has none. */
  dropped: v.optional(
    v.array(
      v.object({
        step: count,
        module: v.string(),
        branch: count,
        rankBefore: measured,
        rankAfter: measured,
        closeness: measured,
        closenessOfAll: measured,
      }),
    ),
    [],
  ),
  probe: v.nullable(
    v.object({
      strength: measured,
      validation: metrics,
      test: v.nullable(metrics),
      /** Its tensors stand beside the JSON. */
      head: v.null(),
    }),
  ),
  evaluations: v.array(v.object({ step: count, validation: metrics })),
  validation: v.nullable(metrics),
  best: v.nullable(validated),
  stage1End: v.nullable(validated),
  overflow: v.nullable(count),
  rateChanges: v.array(
    v.object({
      step: count,
      field: v.picklist(['learningRate', 'headRate', 'scalarRate']),
      from: v.number(),
      to: v.number(),
    }),
  ),
  verdict: v.nullable(
    v.object({
      keptStep: count,
      scalarsKept: v.nullable(v.boolean()),
      learnedScalars: v.nullable(v.record(v.string(), measured)),
      diverged: v.nullable(diverged),
    }),
  ),
  test: v.nullable(metrics),
  seconds: v.number(),
  stepSeconds: v.number(),
  peakBufferBytes: v.number(),
});

const percentiles = v.tuple([v.number(), v.number()]);
const grey16 = v.variant('kind', [
  v.object({ kind: v.literal('image'), percentiles }),
  v.object({
    kind: v.literal('set'),
    percentiles,
    low: v.pipe(v.number(), v.finite()),
    high: v.pipe(v.number(), v.finite()),
  }),
]);

const facts = v.object({
  name: v.string(),
  /** Earlier builds did not say. */
  ofFolds: v.optional(v.boolean(), false),
  begunAt: v.number(),
  savedAt: v.number(),
  build: v.string(),
  /** Read as any recipe is; an older one lacks options that came later. */
  recipe: v.unknown(),
  plan: v.object({
    steps: count,
    batch: count,
    stepsPerEpoch: v.number(),
    stage2: count,
    dropSteps: v.array(count),
  }),
  device: v.object({
    engine: v.picklist(['autodiff', 'kernels']),
    backend: v.picklist(['webgpu', 'wasm', 'cpu']),
    adapter: v.string(),
    tiles: v.nullable(v.record(v.string(), v.string())),
    memory: v.nullable(
      v.object({
        microBatch: count,
        recomputedBlocks: count,
        storage: v.picklist(['f32', 'f16']),
        /** Earlier builds knew no other. */
        arithmetic: v.optional(v.picklist(['float32', 'float16']), 'float32'),
      }),
    ),
  }),
  model: v.object({
    title: v.string(),
    sha256,
    startSha256: v.nullable(sha256),
    bytes: count,
    imageSize: count,
    normalisation: v.object({
      rescale: v.number(),
      mean: v.tuple([v.number(), v.number(), v.number()]),
      std: v.tuple([v.number(), v.number(), v.number()]),
    }),
    origin: v.object({
      hubId: v.nullable(v.string()),
      revision: v.nullable(v.string()),
      licence: v.nullable(v.string()),
    }),
    hub: v.nullable(
      v.object({
        host: v.string(),
        id: v.string(),
        commit: v.string(),
        licence: v.nullable(v.string()),
      }),
    ),
    kept: v.nullable(sha256),
  }),
  images: v.object({
    title: v.string(),
    classes: v.array(v.string()),
    counts: v.object({ train: count, validation: count, test: count }),
    reading: v.string(),
    splitBy: v.picklist(['folders', 'seed', 'hand']),
    findings: v.array(
      v.object({
        kind: v.picklist(['grey-16', 'hidden-colours', 'transparency', 'colour-profiles', 'cmyk', 'turned']),
        images: count,
        text: v.string(),
      }),
    ),
    pixels: v.object({
      key: v.string(),
      imageBytes: count,
      maker: v.string(),
      /** Runs from before there were windows have none. */
      grey16: v.optional(v.nullable(grey16), null),
    }),
  }),
});

const checkpoint = v.object({ facts, state });

type Readonlied<T> = T extends object ? { readonly [K in keyof T]: Readonlied<T[K]> } : T;
export type CheckpointJson = Readonlied<v.InferOutput<typeof checkpoint>>;
export type AdapterJson = Readonlied<v.InferOutput<typeof adapter>>;
export type ValidatedJson = Readonlied<v.InferOutput<typeof validated>>;

const special: ReadonlyMap<string, number> = new Map([
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-0', -0],
]);

/** `{"$": "NaN"}` -> NaN: numbers that JSON has no word for. */
function revived(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$' in value)) return value;
  return (typeof value.$ === 'string' ? special.get(value.$) : undefined) ?? value;
}

/** What of a checkpoint cannot be read, and whether that is something that only a later Graft may know. */
export interface Unreadable {
  readonly what: string;
  readonly isNewer: boolean;
}

/** Checks the text of a checkpoint's JSON, which names a field that cannot be read. */
export function parseCheckpointJson(text: string): Result<CheckpointJson, Unreadable> {
  let json: unknown;
  try {
    json = JSON.parse(text, revived);
  } catch (thrown) {
    // A RangeError is a text that is nested too deep.
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return fail({ what: `its text is no JSON (${why})`, isNewer: false });
  }
  const parsed = v.safeParse(checkpoint, json);
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  // A name that is none of those of today: later forms of the same file may have more.
  const isNewer = issue.type === 'picklist' && typeof issue.input === 'string';
  return fail({ what: `${v.getDotPath(issue) ?? 'its text'}: ${issue.message}`, isNewer });
}

/** The facts with their recipe read. */
export function factsOf({ facts: json }: CheckpointJson): Result<HeadFacts, Unreadable> {
  const recipe = readRecipe(completedRecipe(json.recipe));
  if (recipe.ok) return ok({ ...json, recipe: recipe.value });
  const { fault } = recipe;
  if (fault.kind !== 'bad-recipe') return fail({ what: faultSentence(fault), isNewer: false });
  const what = `the setting “${fault.field}” of its recipe: ${fault.detail.replace(/[.]$/, '')}`;
  return fail({ what, isNewer: fault.unknown === true });
}
