// What is kept of a run of an ablation: what decided it, and what it measured. A record is found again by the
// digest of all that decides a run: one of another recipe, other images or another model is another one's. An
// option that is newer than a record decides nothing of it: it counts as what the run did (older-recipes.ts).
import * as v from 'valibot';
import { completedRecipe } from '../recipe/older-recipes.ts';
import { digestOf } from '../shared/sha256.ts';
import { parseJsonText } from '../shared/json-text.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Trial } from './arms.ts';

const metrics = v.object({ accuracy: v.number(), loss: v.number() });

const recordSchema = v.object({
  version: v.literal(1),
  arm: v.string(),
  set: v.string(),
  shots: v.nullable(v.number()),
  seed: v.number(),
  /** What `keyOf` said when it was written; of an older build perhaps another than it says now. */
  key: v.string(),
  decidedBy: v.object({
    recipe: v.record(v.string(), v.unknown()),
    /** Digests of the files. */
    model: v.string(),
    images: v.string(),
    /** What else the command was told of how to read and compute. */
    how: v.record(v.string(), v.unknown()),
  }),
  /** Digest of which image is where in the split. */
  split: v.string(),
  result: v.object({
    /** Of the images kept apart, asked once, at the end; null where the set has none. */
    test: v.nullable(metrics),
    validation: metrics,
    /** Of the linear probe that the run began with; null where its head began otherwise. */
    probe: v.nullable(v.object({ validation: metrics, test: v.nullable(metrics) })),
    steps: v.number(),
    /** The step that the result is of. */
    keptStep: v.number(),
    /** Whether it has the scalars of a stage 2; null without one. Records of older builds do not say it. */
    scalarsKept: v.optional(v.nullable(v.boolean())),
    /** Of the states that were validated, in their order. */
    validations: v.optional(v.array(v.object({ step: v.number(), ...metrics.entries }))),
    /** Whether its loss ran away: the result is then its best validated state. */
    diverged: v.boolean(),
    images: v.object({ train: v.number(), validation: v.number(), test: v.number() }),
    /** Of the run itself, from its probe to its last image asked. */
    seconds: v.number(),
    secondsPerStep: v.number(),
    /** Most that the engine held at once, in bytes. */
    peakBytes: v.number(),
  }),
  device: v.string(),
  build: v.string(),
  /** When it ended, as an ISO date. */
  endedAt: v.string(),
});

export type TrialRecord = Readonly<v.InferOutput<typeof recordSchema>>;
type DecidedBy = TrialRecord['decidedBy'];

/** The record that a text holds, or why it is none. */
export function readRecord(text: string): Result<TrialRecord, string> {
  const json = parseJsonText(text);
  if (!json.ok) return json;
  const parsed = v.safeParse(recordSchema, json.value);
  if (parsed.success) return ok(parsed.output);
  const [issue] = parsed.issues;
  return fail(`${v.getDotPath(issue) ?? 'The record'}: ${issue.message}.`);
}

/** Values by their place, "recipe.dmlora.rank", as JSON texts. */
function flat(value: unknown, place: string): [place: string, text: string][] {
  if (typeof value !== 'object' || value === null) return [[place, JSON.stringify(value)]];
  const fields: [string, unknown][] = Object.entries(value);
  return fields.flatMap(([name, inner]) => flat(inner, place === '' ? name : `${place}.${name}`));
}

type Place = Pick<Trial, 'arm' | 'set' | 'shots' | 'seed'>;

/**
 * The digest that the record of a run is found by: of its place in the grid, and of all that decides it. It is
 * the same of a record that lacks an option and of what is asked for now, where that has the option at its older
 * value.
 */
export function keyOf({ arm, set, shots, seed }: Place, decidedBy: DecidedBy): Promise<string> {
  const all = { arm, set, shots, seed, ...decidedBy, recipe: completedRecipe(decidedBy.recipe) };
  const lines = flat(all, '').map(([place, text]) => `${place}=${text}`);
  return digestOf(new Blob([lines.sort().join('\n')]));
}

/** How what decided a run differs from what is asked for now: "dmlora.rank was 4 and is 8". */
export function whatChanged(before: DecidedBy, now: DecidedBy): string[] {
  const settings = ({ recipe, how }: DecidedBy): Map<string, string> =>
    new Map([...flat(completedRecipe(recipe), ''), ...flat(how, '')]);
  const [was, is] = [settings(before), settings(now)];
  const places = [...new Set([...was.keys(), ...is.keys()])];
  return [
    ...(before.images === now.images ? [] : ['the images are others']),
    ...(before.model === now.model ? [] : ['the model is another']),
    ...places
      .filter((place) => was.get(place) !== is.get(place))
      .map((place) => `${place} was ${was.get(place) ?? 'not there'} and is ${is.get(place) ?? 'not there'}`),
  ];
}

const learnsAll = v.object({ split: v.object({ learnFrom: v.literal('all'), folds: v.literal(0) }) });

/** Whether the result of the run has learned from its validation images. */
export function hasLearnedValidation({ decidedBy, result }: TrialRecord): boolean {
  return v.is(learnsAll, decidedBy.recipe) && result.keptStep > 0;
}

/** Whether a record is of this place in the grid, whatever it was decided by. */
export function isOf(record: Place, { arm, set, shots, seed }: Place): boolean {
  return record.arm === arm && record.set === set && record.shots === shots && record.seed === seed;
}
