// A checkpoint: a run as one safetensors file. Tensors of the state and the digests of the images are its
// tensors; everything else is JSON in the header's metadata, with the version of the form and a SHA-256 over
// the whole file. What was written is read back bit for bit, and what is not whole is not read at all.
import { paramNames, parametersOf, type Adapter, type Branch } from '../dmlora/adapter.ts';
import { decodeFloats, encodeFloats } from '../formats/float-types.ts';
import {
  readHeader,
  safetensorsParts,
  type SafetensorsHeader,
  type TensorToWrite,
} from '../formats/safetensors.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { ImageAnswers } from '../train/evaluation.ts';
import type { Growth } from '../train/growth.ts';
import type { Probed, RunState, Validated } from '../train/run-state.ts';
import {
  factsOf,
  parseCheckpointJson,
  type AdapterJson,
  type CheckpointJson,
  type Unreadable,
  type ValidatedJson,
} from './checkpoint-json.ts';
import type { HeadFacts, SavedRun } from './saved-run.ts';

/**
 * Raised when an older reader would misread the file; `readCheckpoint` keeps reading all older ones. Form 2 holds
 * the branches that were dropped.
 */
export const checkpointVersion = 2;

const readableVersions = new Set(Array.from({ length: checkpointVersion }, (_, i) => String(i + 1)));
const versionKey = 'graft_checkpoint';
const jsonKey = 'run';
const noDigest = '0'.repeat(64);
/** What every checkpoint begins with behind the header's length; the digest stands between the two. */
const beforeDigest = new TextEncoder().encode('{"__metadata__":{"format":"pt","sha256":"');
const digestAt = 8 + beforeDigest.length;

/** The adapters of a state, each once: a later one that is an earlier one is told so. */
type Role = 'adapter' | 'best' | 'stage1End';

/** Names of the tensors of a branch that was dropped; of a module it leaves once. */
const droppedNames = (module: string, branch: number): readonly [A: string, B: string] => [
  `dropped/${paramNames.down(module, branch)}`,
  `dropped/${paramNames.up(module, branch)}`,
];

/** Names of what the weight of a module absorbed. */
const absorbedNames = (role: Role, module: string): readonly [A: string, B: string] => [
  `${role}/${module}.absorbed.A`,
  `${role}/${module}.absorbed.B`,
];

/** Names of what an adapter answered to each validation image. */
const answerNames = (role: Role): readonly [answer: string, loss: string] => [
  `answers/${role}/answer`,
  `answers/${role}/loss`,
];

/** Names of how the branches stood at each validation, and of the steps of these. */
const [grownName, grownAtName] = ['growth/values', 'growth/steps'];
/** Name of the origin of each image, where they were drawn by these. */
const originsName = 'images/origin';
/** Name of what a user drew each image together with, where some were. */
const tiesName = 'images/tied';
/** Name of the fold of each image, where they were dealt into folds. */
const foldsName = 'images/fold';
/** Name of the split that the folder of each image named, where they were dealt into folds. */
const namedName = 'images/named';

/** The bytes of a run's file. */
export async function writeCheckpoint(run: SavedRun): Promise<Uint8Array<ArrayBuffer>> {
  return sealed(encodeCheckpoint(run));
}

/** Puts the digest into an encoded file; the browser computes it beside this thread. */
export async function sealed(file: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  file.set(new TextEncoder().encode(await digestOf(file)), digestAt);
  return file;
}

/** The file but for its digest. */
export function encodeCheckpoint({ facts, state }: SavedRun): Uint8Array<ArrayBuffer> {
  const tensors = new Map<string, TensorToWrite>();
  const floats = (name: string, shape: readonly number[], data: Float32Array): void => {
    tensors.set(name, { dtype: 'F32', shape, bytes: encodeFloats(data, 'F32') });
  };
  const written: [Role, Adapter][] = [];
  const adapter = (role: Role, value: Adapter): AdapterJson | Role => {
    const twin = written.find(
      ([, { modules, head, backbone }]) =>
        modules === value.modules &&
        head === value.head &&
        backbone === value.backbone &&
        value.moments.size === 0,
    );
    if (twin !== undefined) return twin[0];
    written.push([role, value]);
    for (const [name, { shape, data }] of parametersOf(value))
      // Scalars stand in the JSON: they are float64 until an engine has rounded them.
      if (shape.length > 0) floats(`${role}/${name}`, shape, data);
    for (const [name, { m, v }] of value.moments) {
      floats(`${role}/m/${name}`, [m.length], m);
      floats(`${role}/v/${name}`, [v.length], v);
    }
    for (const { name, absorbed } of value.modules)
      if (absorbed !== undefined) {
        const [A, B] = absorbedNames(role, name);
        floats(A, absorbed.A.shape, absorbed.A.data);
        floats(B, absorbed.B.shape, absorbed.B.data);
      }
    return {
      modules: value.modules.map(({ branches, absorbed, ...module }) => ({
        ...module,
        branches: branches.map(({ index }) => index),
        ...fadingJson(branches),
        ...(absorbed === undefined ? {} : { absorbed: true }),
      })),
      moments: [...value.moments].map(([name, { steps }]) => [name, steps]),
      ...(value.backbone === undefined ? {} : { backbone: [...value.backbone.keys()] }),
    };
  };
  // An earlier reader passes over them, and a reader finds none in an earlier file: the form is the same.
  const answers = (role: Role, value: ImageAnswers | null): void => {
    if (value === null) return;
    const shape = [value.answer.length];
    tensors.set(answerNames(role)[0], { dtype: 'I32', shape, bytes: bytesOf(value.answer) });
    floats(answerNames(role)[1], shape, value.loss);
  };
  const validated = (role: Role, value: Validated | null): ValidatedJson | null => {
    if (value === null) return null;
    const { answers: given, ...rest } = value;
    answers(role, given);
    return { ...rest, adapter: adapter(role, value.adapter) };
  };

  const { losses, correct, gradientNorms, growth, probe, dropped, answers: own, ...rest } = state;
  answers('adapter', own);
  for (const [name, values] of Object.entries({ losses, correct, gradientNorms }))
    floats(name, [values.length], values);
  if (probe !== null) {
    floats('probe/head.weight', probe.head.weight.shape, probe.head.weight.data);
    floats('probe/head.bias', probe.head.bias.shape, probe.head.bias.data);
  }
  // As with the answers.
  if (growth.length > 0) {
    const steps = Int32Array.from(growth, ({ step }) => step);
    const length = growth[0]?.values.length ?? 0;
    const values = new Float32Array(growth.length * length);
    growth.forEach((one, i) => values.set(one.values, i * length));
    tensors.set(grownAtName, { dtype: 'I32', shape: [growth.length], bytes: bytesOf(steps) });
    floats(grownName, [growth.length, length], values);
  }
  for (const { module, branch } of dropped) {
    const [A, B] = droppedNames(module, branch.index);
    floats(A, branch.A.shape, branch.A.data);
    floats(B, branch.B.shape, branch.B.data);
  }
  const { ids, labels, origins, ties, folds, named, ...images } = facts.images;
  tensors.set('images/sha256', { dtype: 'U8', shape: [ids.length, 32], bytes: bytesOfHex(ids) });
  tensors.set('images/label', {
    dtype: 'I32',
    shape: [labels.length],
    bytes: bytesOf(labels),
  });
  // As with the answers, the form stays the same.
  for (const [name, numbers] of [
    [originsName, origins],
    [tiesName, ties],
    [foldsName, folds],
    [namedName, named],
  ] as const)
    if (numbers !== null)
      tensors.set(name, { dtype: 'I32', shape: [numbers.length], bytes: bytesOf(numbers) });
  const json: CheckpointJson = {
    facts: { ...facts, images },
    state: {
      ...rest,
      adapter: adapter('adapter', state.adapter),
      best: validated('best', state.best),
      stage1End: validated('stage1End', state.stage1End),
      dropped: dropped.map(({ branch, ...one }) => ({ ...one, branch: branch.index })),
      probe: probe === null ? null : { ...probe, head: null },
    },
  };
  const metadata = new Map([
    ['sha256', noDigest],
    [versionKey, String(checkpointVersion)],
    [jsonKey, JSON.stringify(json, withoutLoss)],
  ]);
  return joined(safetensorsParts(tensors, metadata));
}

/** What is said of the branches that fade, where some do. */
function fadingJson(branches: readonly Branch[]): Pick<AdapterJson['modules'][number], 'fading'> {
  const fading = branches.flatMap(({ index, fading: of }) => (of === undefined ? [] : [{ index, ...of }]));
  return fading.length === 0 ? {} : { fading };
}

/** What is known of a run without reading its tensors: for a list. */
export interface CheckpointHead {
  readonly facts: HeadFacts;
  readonly state: Pick<RunState, 'step' | 'verdict' | 'validation' | 'evaluations'>;
}

/** Reads the header alone; whether the file is whole shows when all of it is read. */
export async function readCheckpointHead(file: Blob, name: string): Promise<Result<CheckpointHead>> {
  const header = await headerOf(file, name);
  if (!header.ok) return header;
  const json = jsonOf(header.value, name);
  if (!json.ok) return json;
  const facts = factsOf(json.value);
  return facts.ok ? ok({ facts: facts.value, state: json.value.state }) : unreadable(name, facts.fault);
}

/** Reads a whole checkpoint. A fault names what is wrong, and what to do; nothing is taken of a broken file. */
export async function readCheckpoint(file: Blob, name: string): Promise<Result<SavedRun>> {
  const header = await headerOf(file, name);
  if (!header.ok) return header;
  const whole = new Uint8Array(await file.arrayBuffer().catch(() => new ArrayBuffer(0)));
  const told = new TextDecoder().decode(whole.subarray(digestAt, digestAt + 64));
  if (!beforeDigest.every((byte, i) => whole[8 + i] === byte)) return damaged(name, 'its digest is missing');
  whole.set(new TextEncoder().encode(noDigest), digestAt);
  if ((await digestOf(whole)) !== told) return damaged(name, 'its bytes are not those that were written');
  const json = jsonOf(header.value, name);
  if (!json.ok) return json;
  const facts = factsOf(json.value);
  if (!facts.ok) return unreadable(name, facts.fault);
  try {
    return ok(new TensorReader(whole, header.value).run(facts.value, json.value.state));
  } catch (thrown) {
    if (thrown instanceof Missing) return damaged(name, thrown.message);
    throw thrown;
  }
}

class Missing extends Error {}

/** Puts a run together from its JSON and its tensors; throws Missing where they do not fit. */
class TensorReader {
  readonly #adapters = new Map<Role, Adapter>();
  #validation = { images: 0, classes: 0 };

  constructor(
    private readonly file: Uint8Array,
    private readonly header: SafetensorsHeader,
  ) {}

  run(facts: HeadFacts, state: CheckpointJson['state']): SavedRun {
    const [ids, labels] = [this.#bytes('images/sha256', 'U8'), this.#bytes('images/label', 'I32')];
    const { counts, classes } = facts.images;
    const count = counts.train + counts.validation + counts.test;
    if (ids.length !== 32 * count || labels.length !== 4 * count)
      throw new Missing(`it counts ${count} images and names others`);
    const labelOf = new Int32Array(labels.slice().buffer);
    if (labelOf.some((label) => label < 0 || label >= classes.length))
      throw new Missing('an image has a class that it does not name');
    const ofEach = (name: string, others: string): Int32Array<ArrayBuffer> | null => {
      const drawn = this.header.tensors.has(name) ? this.#bytes(name, 'I32') : null;
      if (drawn !== null && drawn.length !== 4 * count)
        throw new Missing(`it counts ${count} images and knows ${others}`);
      return drawn === null ? null : new Int32Array(drawn.slice().buffer);
    };
    const origins = ofEach(originsName, 'where others come from');
    const ties = ofEach(tiesName, 'what others were drawn together with');
    const folds = ofEach(foldsName, 'the folds of others');
    const named = ofEach(namedName, 'what folders named others for');
    const drawn = { origins, ties, folds, named };
    const images = { ...facts.images, ids: hexOfBytes(ids), labels: labelOf, ...drawn };
    this.#validation = { images: counts.validation, classes: classes.length };
    return { facts: { ...facts, images }, state: this.#state(state) };
  }

  #state(json: CheckpointJson['state']): RunState {
    const [losses, correct, gradientNorms] = [
      this.#vector('losses', json.step),
      this.#vector('correct', json.step),
      this.#vector('gradientNorms', json.step),
    ];
    // In the order of the roles: a later one may be an earlier one.
    const adapter = this.#adapter('adapter', json.adapter);
    return {
      ...json,
      losses,
      correct,
      gradientNorms,
      growth: this.#growth(adapter),
      adapter,
      answers: this.#answers('adapter'),
      best: this.#validated('best', json.best),
      stage1End: this.#validated('stage1End', json.stage1End),
      dropped: json.dropped.map(({ branch, ...one }) => {
        const [A, B] = droppedNames(one.module, branch);
        return { ...one, branch: { index: branch, A: this.#tensor(A, 2), B: this.#tensor(B, 2) } };
      }),
      probe: json.probe === null ? null : this.#probe(json.probe),
    };
  }

  #growth({ modules }: Adapter): Growth[] {
    if (!this.header.tensors.has(grownName)) return [];
    const { data, shape } = this.#tensor(grownName, 2);
    const [count = 0, length = 0] = shape;
    const steps = new Int32Array(this.#bytes(grownAtName, 'I32').slice().buffer);
    if (steps.length !== count || length % Math.max(1, modules.length) !== 0)
      throw new Missing(`"${grownName}" are not of its modules`);
    return Array.from(steps, (step, i) => ({ step, values: data.slice(i * length, (i + 1) * length) }));
  }

  #probe(probe: Omit<Probed, 'head'>): Probed {
    return { ...probe, head: this.#head('probe') };
  }

  #validated(role: Role, value: ValidatedJson | null): Validated | null {
    if (value === null) return null;
    return { ...value, adapter: this.#adapter(role, value.adapter), answers: this.#answers(role) };
  }

  #answers(role: Role): ImageAnswers | null {
    const [answerName, lossName] = answerNames(role);
    if (!this.header.tensors.has(answerName)) return null;
    const { images, classes } = this.#validation;
    const answer = new Int32Array(this.#bytes(answerName, 'I32').slice().buffer);
    if (answer.length !== images || answer.some((id) => id < 0 || id >= classes))
      throw new Missing(`"${answerName}" are no answers to its validation images`);
    return { answer, loss: this.#vector(lossName, images) };
  }

  #adapter(role: Role, json: AdapterJson | Role): Adapter {
    if (typeof json === 'string') {
      const twin = this.#adapters.get(json);
      if (twin === undefined) throw new Missing(`the adapter "${json}" is not in it`);
      return { ...twin, moments: new Map() };
    }
    const modules = [];
    for (const { branches: indices, fading = [], absorbed: absorbs, ...module } of json.modules) {
      const branches = [];
      for (const index of indices) {
        const A = this.#tensor(`${role}/${paramNames.down(module.name, index)}`, 2);
        const B = this.#tensor(`${role}/${paramNames.up(module.name, index)}`, 2);
        const faded = fading.find((one) => one.index === index);
        const branch = { index, A, B };
        if (faded === undefined) branches.push(branch);
        else branches.push({ ...branch, fading: { from: faded.from, until: faded.until, gate: faded.gate } });
      }
      const [A, B] = absorbedNames(role, module.name);
      const absorbed = absorbs === true ? { absorbed: { A: this.#tensor(A, 2), B: this.#tensor(B, 2) } } : {};
      modules.push({ ...module, branches, ...absorbed });
    }
    const head = this.#head(role);
    const tuned = json.backbone?.map(
      (name) => [name, this.#tensor(`${role}/${paramNames.backbone(name)}`)] as const,
    );
    const bare = {
      modules,
      head,
      ...(tuned === undefined ? {} : { backbone: new Map(tuned) }),
      moments: new Map(),
    };
    const shapes = new Map([...parametersOf(bare)].map(([key, { data }]) => [key, data.length]));
    const moments = new Map<string, { m: Float32Array; v: Float32Array; steps: number }>();
    for (const [name, steps] of json.moments) {
      const length = shapes.get(name);
      if (length === undefined) throw new Missing(`it has moments of "${name}", which it does not have`);
      const m = this.#vector(`${role}/m/${name}`, length);
      moments.set(name, { m, v: this.#vector(`${role}/v/${name}`, length), steps });
    }
    const adapter = { ...bare, moments };
    this.#adapters.set(role, adapter);
    return adapter;
  }

  #head(of: Role | 'probe'): Adapter['head'] {
    const weight = this.#tensor(`${of}/${paramNames.headWeight}`, 2);
    return { weight, bias: this.#tensor(`${of}/${paramNames.headBias}`, 1) };
  }

  #vector(name: string, length: number): Float32Array {
    const { data } = this.#tensor(name, 1);
    if (data.length !== length) throw new Missing(`"${name}" has ${data.length} values and not ${length}`);
    return data;
  }

  /** @param rank null for any. */
  #tensor(name: string, rank: number | null = null): NdArray {
    const bytes = this.#bytes(name, 'F32');
    const { shape = [] } = this.header.tensors.get(name) ?? {};
    if (rank !== null && shape.length !== rank)
      throw new Missing(`"${name}" has a shape that it cannot have`);
    return ndArray(shape, decodeFloats(bytes, 'F32'));
  }

  #bytes(name: string, dtype: string): Uint8Array {
    const entry = this.header.tensors.get(name);
    if (entry?.dtype !== dtype) throw new Missing(`"${name}" is not in it`);
    return this.file.subarray(entry.begin, entry.end);
  }
}

async function headerOf(file: Blob, name: string): Promise<Result<SafetensorsHeader>> {
  const header = await readHeader(file, name);
  if (!header.ok) {
    const { fault } = header;
    if (fault.kind !== 'bad-file' || fault.why === 'unreadable') return header;
    const begun = new Uint8Array(await file.slice(8, digestAt).arrayBuffer());
    const isOurs = begun.length > 0 && begun.every((byte, i) => byte === beforeDigest[i]);
    return fail({ ...fault, why: isOurs ? 'checkpoint-damaged' : 'no-checkpoint' });
  }
  const version = header.value.metadata.get(versionKey);
  if (version === undefined)
    return fail({
      kind: 'bad-file',
      name,
      why: 'no-checkpoint',
      detail: 'It holds tensors, and no run of Graft.',
    });
  if (!readableVersions.has(version))
    return fail({
      kind: 'bad-file',
      name,
      why: 'checkpoint-version',
      detail: `It is of form ${version.slice(0, 20)}; this version of Graft reads forms up to ${checkpointVersion}.`,
    });
  return header;
}

function jsonOf({ metadata }: SafetensorsHeader, name: string): Result<CheckpointJson> {
  const parsed = parseCheckpointJson(metadata.get(jsonKey) ?? '');
  return parsed.ok ? parsed : unreadable(name, parsed.fault);
}

/** A file whose form is known and whose content is not: damaged, or of a later Graft with the same form. */
const unreadable = (name: string, { what, isNewer }: Unreadable): Result<never> =>
  isNewer
    ? fail({
        kind: 'bad-file',
        name,
        why: 'checkpoint-version',
        detail: `A newer version of Graft made it. This one does not know ${what}.`,
      })
    : damaged(name, what);

const damaged = (name: string, what: string): Result<never> =>
  fail({ kind: 'bad-file', name, why: 'checkpoint-damaged', detail: `The run in it is not whole: ${what}.` });

/** Numbers that JSON has no word for keep theirs; `parseCheckpointJson` takes them back. */
function withoutLoss(_: string, value: unknown): unknown {
  if (typeof value !== 'number' || (Number.isFinite(value) && !Object.is(value, -0))) return value;
  return { $: Object.is(value, -0) ? '-0' : String(value) };
}

function joined(parts: readonly (Uint8Array | Blob)[]): Uint8Array<ArrayBuffer> {
  const arrays = parts.filter((part) => part instanceof Uint8Array);
  const file = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of arrays) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return hexOfBytes(digest)[0] ?? '';
}

const bytesOf = (values: Int32Array): Uint8Array => new Uint8Array(values.slice().buffer);

function bytesOfHex(ids: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(32 * ids.length);
  for (const [i, id] of ids.entries())
    for (let k = 0; k < 32; k++) bytes[32 * i + k] = parseInt(id.slice(2 * k, 2 * k + 2), 16);
  return bytes;
}

/** Digests of 32 bytes each, in hexadecimal digits. */
function hexOfBytes(bytes: Uint8Array): string[] {
  const hex = (digest: Uint8Array): string =>
    Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return Array.from({ length: bytes.length / 32 }, (_, i) => hex(bytes.subarray(32 * i, 32 * i + 32)));
}
