// A PEFT adapter beside its base, in one of two ways. Merged: every LoRA pair is added to the weight that it
// adapts, what was saved whole takes its place, and the result is a file like any other; as peft's
// merge_and_unload does it, sums in float32, rounded once to the base's type (bit for bit in float16). Or as
// the start of a run's branches, where it is nothing but pairs on linears that may have branches, and a head.
// Kinds of adapters that add something else are refused by name.
import { loraRows, type LinearLora } from '../../dmlora/lora-start.ts';
import { withLora } from '../../dmlora/stacked-lora.ts';
import { decodeFloats, encodeFloats, isFloatType } from '../../formats/float-types.ts';
import { objectOf, readJsonObject, readJsonText } from '../../formats/json.ts';
import { adapterKind, readPeftConfig, type PeftReading } from './config.ts';
import {
  readTensorBytes,
  writeSafetensors,
  type SafetensorsHeader,
  type TensorToWrite,
} from '../../formats/safetensors.ts';
import { openTensorFile, type TensorFile } from '../../formats/tensor-files.ts';
import { ndArray, sizeOf, type NdArray } from '../../shared/array.ts';
import { present } from '../../shared/assert.ts';
import { shownSome } from '../../shared/describe-fault.ts';
import { fail, ok, type Result } from '../../shared/result.ts';
import type { Checkpoint } from '../family.ts';
import { joinedHead, type Head } from '../heads.ts';
import { backboneShapes, linearName, linears, linearShape, type Linear } from '../../vit/parameters.ts';
import { headInputs } from '../../vit/vit-config.ts';
import { adapterFiles } from '../model-files.ts';
import type { SourceFile } from '../../data/source-file.ts';

const file = 'adapter_model.safetensors';
const bad = (detail: string, name = file): Result<never> =>
  fail({ kind: 'bad-file', name, why: 'adapter', detail });

/** A file of weights that an adapter is beside. */
interface Base extends TensorFile {
  readonly checkpoint: Checkpoint;
  /** Class names of its config. */
  readonly labels: readonly string[];
}

/** Base and adapter as one file. */
export interface MergedModel extends TensorFile {
  /** Class names beside the adapter, for the head that it brings; empty for none. */
  readonly labels: readonly string[];
  readonly notes: readonly string[];
}

/** What an adapter changes, and what is known of it. */
interface ReadAdapter extends Changes {
  /** Class names beside it, for the head that it brings; empty for none. */
  readonly labels: readonly string[];
  /** "; it was made for owner/name", where it says so. */
  readonly madeFor: string;
  /** What of it has no place in the base, as a note; empty for nothing. */
  readonly leftOver: readonly string[];
  readonly weights: Blob;
}

async function readAdapter(
  { header, checkpoint }: Base,
  files: readonly SourceFile[],
): Promise<Result<ReadAdapter>> {
  const found = adapterFiles(files);
  if (found === null || found.weights === null || found.config === null)
    return bad(
      found === null
        ? 'There is none among the files.'
        : found.config === null
          ? 'Its adapter_config.json is not there.'
          : 'Its weights are not there as adapter_model.safetensors.',
    );
  const read = await readJsonText(found.config.blob, 'adapter_config.json');
  if (!read.ok) return read;
  const text = read.value;
  const kind = adapterKind(text);
  if (!kind.ok) return kind;
  if (kind.value.refused !== null) return bad(`${kind.value.refused}.`, 'adapter_config.json');
  const config = readPeftConfig(text);
  if (!config.ok) return config;
  const opened = await openTensorFile(found.weights.blob, file);
  if (!opened.ok) return opened;
  const adapter = await floatsOf(opened.value);
  if (!adapter.ok) return adapter;
  const changes = changesOf(adapter.value, config.value, checkpoint, header);
  if (!changes.ok) return changes;
  const { unused } = changes.value;
  const { base } = kind.value;
  return ok({
    ...changes.value,
    labels: await labelsBeside(found.config, files),
    madeFor: base === null ? '' : `; it was made for ${base}`,
    leftOver:
      unused.length === 0
        ? []
        : [`${unused.length} tensors of the adapter have no place in this model: ${shownSome(unused)}.`],
    weights: found.weights.blob,
  });
}

/** Merges the adapter among `files` into a base; every tensor keeps the type that it has in the base. */
export async function mergeAdapter(base: Base, files: readonly SourceFile[]): Promise<Result<MergedModel>> {
  const adapter = await readAdapter(base, files);
  if (!adapter.ok) return adapter;
  const { pairs, whole, labels, madeFor, leftOver } = adapter.value;
  const { blob: weights, header } = base;
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, { dtype, shape, begin, end }] of header.tensors)
    tensors.set(name, { dtype, shape, bytes: weights.slice(begin, end) });
  for (const [name, value] of whole) {
    const stored = header.tensors.get(name)?.dtype ?? 'F32';
    const dtype = isFloatType(stored) ? stored : 'F32';
    tensors.set(name, { dtype, shape: value.shape, bytes: encodeFloats(value.data, dtype) });
  }
  for (const { tensor, A, B, bias, scale } of pairs) {
    const entry = present(header.tensors.get(tensor), tensor);
    if (!isFloatType(entry.dtype)) return bad(`${tensor} of the base is stored as ${entry.dtype}.`, tensor);
    const rows = entry.shape[0] ?? 0;
    const before = present(tensors.get(tensor), tensor).bytes;
    const raw = before instanceof Blob ? new Uint8Array(await before.arrayBuffer()) : before;
    const weight = ndArray([rows, sizeOf(entry.shape) / rows], decodeFloats(raw, entry.dtype));
    const merged = withLora(weight, { A, B }, scale);
    tensors.set(tensor, { ...entry, bytes: encodeFloats(merged.data, entry.dtype) });
    if (bias === null) continue;
    const name = tensor.replace(/weight$/, 'bias');
    const own = present(header.tensors.get(name), name);
    const dtype = isFloatType(own.dtype) ? own.dtype : 'F32';
    const values = decodeFloats(await readTensorBytes(weights, own), dtype);
    const moved = values.map((value, i) => value + scale * (bias.data[i] ?? 0));
    tensors.set(name, { dtype, shape: own.shape, bytes: encodeFloats(moved, dtype) });
  }
  const blob = writeSafetensors(tensors, header.metadata);
  const written = await openTensorFile(blob, 'model.safetensors');
  if (!written.ok) return written;
  const merged = `A PEFT adapter is merged into its weights: ${modulesText(pairs.length)}, ${whole.size} tensors whole${madeFor}.`;
  return ok({ ...written.value, labels, notes: [merged, ...leftOver] });
}

const modulesText = (count: number): string => `${count} ${count === 1 ? 'module' : 'modules'}`;
const tensorsText = (count: number): string => `${count} ${count === 1 ? 'tensor' : 'tensors'}`;

/** An adapter as the start of a run. */
export interface AdapterStart {
  readonly loras: readonly LinearLora[];
  /**
   * The head that it brings, with the names of its classes; null without one, or where nothing names them.
   */
  readonly head: (Head & { readonly labels: readonly string[] }) | null;
  /** Whether it brings a head that is left out since nothing names its classes. */
  readonly hasUnnamedHead: boolean;
  readonly notes: readonly string[];
  /** Its file of weights. */
  readonly file: Blob;
}

const noStart = (detail: string): Result<never> =>
  fail({ kind: 'bad-file', name: file, why: 'adapter-start', detail });

/**
 * The adapter among `files` as LoRAs of the linears that may have branches, and its head. A pair on a fused
 * weight is one of q, one of k and one of v. Refused is what changes anything else: branches add nothing
 * there.
 */
export async function startFromAdapter(
  base: Base,
  files: readonly SourceFile[],
): Promise<Result<AdapterStart>> {
  const adapter = await readAdapter(base, files);
  if (!adapter.ok) return adapter;
  const { pairs, whole, madeFor, leftOver, weights } = adapter.value;
  const { config, locations, heads } = base.checkpoint;
  const isHead = (name: string): boolean =>
    heads.some((head) => name === `${head}.weight` || name === `${head}.bias`);
  const others = [...whole.keys()].filter((name) => !isHead(name));
  if (others.length > 0)
    return noStart(
      `It changes more than its pairs and a head (${tensorsText(others.length)} whole, like ${others[0] ?? ''}), and branches leave that as it is.`,
    );
  const biased = pairs.find(({ bias }) => bias !== null);
  if (biased !== undefined)
    return noStart(`It adds a bias of its own to ${biased.tensor}, and branches have none.`);
  const places = new Map<string, { block: number; linear: Linear; begin: number; end: number }[]>();
  for (let block = 0; block < config.depth; block++)
    for (const linear of linears) {
      const { tensor, third } = present(locations.get(`${linearName(block, linear)}.weight`), linear);
      const [rows] = linearShape(config, linear);
      const begin = (third ?? 0) * rows;
      const there = places.get(tensor) ?? [];
      places.set(tensor, [...there, { block, linear, begin, end: begin + rows }]);
    }
  const loras: LinearLora[] = [];
  for (const { tensor, A, B, scale } of pairs) {
    const there = places.get(tensor);
    if (there === undefined) return noStart(`It adapts ${tensor}, which gets no branches.`);
    places.delete(tensor);
    for (const { block, linear, begin, end } of there) {
      const rows = loraRows({ A, B }, begin, end);
      if (rows !== null) loras.push({ block, linear, scale, ...rows });
    }
  }
  const head = headOf(base.checkpoint, whole);
  if (!head.ok) return head;
  const classes = head.value?.bias.data.length ?? 0;
  const labels = adapter.value.labels.length > 0 ? adapter.value.labels : base.labels;
  const named = labels.length === classes;
  const rank = Math.max(0, ...loras.map((lora) => lora.A.shape[0] ?? 0));
  const notes = [
    `A PEFT adapter is what the branches start from: ${modulesText(pairs.length)}, rank up to ${rank}${madeFor}.`,
  ];
  if (head.value !== null)
    notes.push(
      named
        ? `The adapter’s head of ${classes} classes (${shownSome(labels)}) is taken for images of just these classes; for others it is left out.`
        : `The adapter’s head of ${classes} classes is left out: nothing names them. Put a config.json with its id2label beside it.`,
    );
  return ok({
    loras,
    head: head.value !== null && named ? { ...head.value, labels } : null,
    hasUnnamedHead: head.value !== null && !named,
    notes: [...notes, ...leftOver],
    file: weights,
  });
}

/** The head among tensors that were saved whole; null without one. */
function headOf({ heads, config }: Checkpoint, whole: ReadonlyMap<string, NdArray>): Result<Head | null> {
  if (whole.size === 0) return ok(null);
  const parts: Head[] = [];
  for (const name of heads) {
    const [weight, bias] = [whole.get(`${name}.weight`), whole.get(`${name}.bias`)];
    if (weight === undefined || bias === undefined)
      return noStart(`Of the head it has just ${shownSome([...whole.keys()])}.`);
    const [classes = 0, width = 0] = weight.shape;
    const fits =
      weight.shape.length === 2 &&
      width === headInputs(config) / heads.length &&
      bias.data.length === classes &&
      classes === (parts[0]?.bias.data.length ?? classes);
    if (!fits) return noStart(`Its head ${name} does not fit this model.`);
    parts.push({ weight, bias });
  }
  return ok(parts.length === 0 ? null : joinedHead(parts));
}

/** One module's pair, and the tensor of the base that it adapts: whole, as PEFT sees it, fused or not. */
interface Pair {
  readonly tensor: string;
  readonly A: NdArray;
  readonly B: NdArray;
  readonly bias: NdArray | null;
  readonly scale: number;
}

interface Changes {
  readonly pairs: readonly Pair[];
  /** By the base's names. */
  readonly whole: ReadonlyMap<string, NdArray>;
  readonly unused: readonly string[];
}

const leafPattern = /^(?<module>.+)\.lora_(?<matrix>[AB])(?:\.[^.]+)?\.(?<leaf>weight|bias)$/;

function changesOf(
  adapter: ReadonlyMap<string, NdArray>,
  config: PeftReading,
  checkpoint: Checkpoint,
  header: SafetensorsHeader,
): Result<Changes> {
  const placeOf = placesOf(checkpoint, header);
  const parts = new Map<string, Map<string, NdArray>>();
  const whole = new Map<string, NdArray>();
  const unused: string[] = [];
  for (const [key, value] of adapter) {
    const name = key.replace(/^base_model\.model\./, '');
    const groups = leafPattern.exec(name)?.groups;
    if (groups !== undefined) {
      const { module = '', matrix = '', leaf = '' } = groups;
      const own = parts.get(module) ?? new Map<string, NdArray>();
      parts.set(module, own.set(`${matrix}.${leaf}`, value));
      continue;
    }
    if (/\.original_module\./.test(name)) continue;
    const plain = name.replace(/\.(base_layer|modules_to_save(\.default)?)\./, '.');
    const tensor = placeOf(plain);
    const entry = tensor === null ? undefined : header.tensors.get(tensor);
    const isHead = checkpoint.heads.some((head) => tensor?.startsWith(`${head}.`));
    if (tensor === null || (entry === undefined && !isHead)) unused.push(plain);
    else if (!isHead && entry !== undefined && sizeOf(entry.shape) !== value.data.length)
      return bad(
        `${plain} has the shape [${value.shape.join(', ')}], the open model has [${entry.shape.join(', ')}].`,
      );
    else whole.set(tensor, isHead || entry === undefined ? value : ndArray(entry.shape, value.data));
  }
  const pairs: Pair[] = [];
  const strangers: string[] = [];
  for (const [module, own] of parts) {
    const [A, B] = [own.get('A.weight'), own.get('B.weight')];
    const tensor = placeOf(`${module}.weight`);
    const entry = tensor === null ? undefined : header.tensors.get(tensor);
    if (tensor === null || entry === undefined) strangers.push(module);
    else if (A === undefined || B === undefined) return bad(`${module} has but one matrix of two.`);
    else if (A.shape.length !== 2 || B.shape.length !== 2)
      return bad(`${module} is a LoRA of a convolution, which is not merged here.`);
    else {
      const rank = A.shape[0] ?? 0;
      const [out, input] = [B.shape[0] ?? 0, A.shape[1] ?? 0];
      if (rank !== config.rankOf(module) || B.shape[1] !== rank)
        return bad(`${module} has rank ${rank}, its configuration says ${config.rankOf(module)}.`);
      if (out !== entry.shape[0] || input !== entry.shape[1])
        return bad(
          `${module} adapts a weight of ${out} x ${input}, that of the open model has ${entry.shape.join(' x ')}: it is not its base.`,
        );
      pairs.push({ tensor, A, B, bias: own.get('B.bias') ?? null, scale: config.scaleOf(module) });
    }
  }
  if (strangers.length > 0)
    return bad(`The open model has no ${shownSome(strangers)}: it is not the base of this adapter.`);
  return pairs.length + whole.size === 0
    ? bad('It holds nothing that can be merged.')
    : ok({ pairs, whole, unused });
}

/**
 * The base's tensor for a name in any naming of its family: the module names of transformers 5, the older
 * ones, timm's.
 */
function placesOf(checkpoint: Checkpoint, header: SafetensorsHeader): (name: string) => string | null {
  const places = new Map<string, string>();
  for (const parameter of backboneShapes(checkpoint.config).keys()) {
    const location = checkpoint.locations.get(parameter);
    if (location === undefined) continue;
    for (const dialect of checkpoint.family.dialects) {
      const other = dialect.locate(parameter);
      // A third of a fused weight and a weight by itself are no two names of the same tensor.
      if (other !== null && (other.third === null) === (location.third === null))
        places.set(other.tensor, location.tensor);
    }
  }
  return (name) => {
    if (checkpoint.heads.some((head) => name === `${head}.weight` || name === `${head}.bias`)) return name;
    return places.get(name) ?? (header.tensors.has(name) ? name : null);
  };
}

async function floatsOf({ blob, header }: TensorFile): Promise<Result<Map<string, NdArray>>> {
  const values = new Map<string, NdArray>();
  for (const [name, entry] of header.tensors) {
    if (/lora_magnitude_vector/.test(name)) return bad('It is a DoRA, which is not merged here.');
    if (/lora_embedding_/.test(name)) return bad('It adapts an embedding, which no ViT has.');
    if (!isFloatType(entry.dtype)) return bad(`${name} is stored as ${entry.dtype}.`);
    const data = decodeFloats(await readTensorBytes(blob, entry), entry.dtype);
    if (!data.every((value) => Number.isFinite(value)))
      return bad(`${name} holds values that are not finite.`);
    values.set(name, ndArray(entry.shape, data));
  }
  return ok(values);
}

/** Class names of a config.json in the adapter's own folder. */
async function labelsBeside(config: SourceFile, files: readonly SourceFile[]): Promise<readonly string[]> {
  const path = config.path.replace(/adapter_config\.json$/, 'config.json');
  const beside = files.find((other) => other.path === path);
  if (beside === undefined) return [];
  const json = await readJsonObject(beside.blob, 'config.json');
  const names = json.ok ? objectOf(json.value, 'id2label') : null;
  if (names === null) return [];
  return Array.from({ length: names.size }, (_, id) => {
    const label = names.get(String(id));
    return typeof label === 'string' ? label : `class ${id}`;
  });
}
