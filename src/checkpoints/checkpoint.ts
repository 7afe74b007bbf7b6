// A checkpoint file -> a ViT: finds every parameter whatever names the file uses, refuses gaps and
// contradictions by name, and loads the tensors one at a time, reading just the rows that a parameter needs.
import type { ModelConfigFile } from './model-config.ts';
import { decodeFloats, isFloatType } from '../formats/float-types.ts';
import { readTensorRows, type SafetensorsHeader, type TensorEntry } from '../formats/safetensors.ts';
import { ndArray, sizeOf, zeros, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { understand, type Find } from './checkpoint-config.ts';
import { familyOf } from './families.ts';
import type { Checkpoint, Layout } from './family.ts';
import type { Location } from './naming.ts';
import { contradiction, otherModel } from './refusals.ts';
import { neighbourOf } from './neighbours.ts';
import { joinedHead, type Head } from './heads.ts';
import { backboneShapes, type ParamName, type VitModel } from '../vit/parameters.ts';
import { resizedPositions } from './positions.ts';
import { configProblem, gridSize, headInputs, type VitConfig } from '../vit/vit-config.ts';

/** Biases that a file may do without: zeros take their place. */
const spareBias = /^(blocks\.\d+\.[qkv]|patch_embed)\.bias$/;

/** Understands a checkpoint from its header and config.json, without reading a tensor. */
export function readCheckpoint(header: SafetensorsHeader, file: ModelConfigFile): Result<Checkpoint> {
  const { tensors } = header;
  const neighbour = neighbourOf(tensors.keys(), file.architecture);
  if (neighbour !== null) return otherModel(neighbour);
  const family = familyOf(new Set(tensors.keys()), file);
  const find: Find = (name) => {
    for (const dialect of family?.dialects ?? []) {
      const location = dialect.locate(name);
      if (location !== null && tensors.has(location.tensor)) return { location, dialect };
    }
    return null;
  };
  const first = find('blocks.0.q.weight');
  if (family === null || first === null)
    return otherModel(
      `"${file.architecture}", which has no tensors of a ViT`,
      ['the first block'],
      [...tensors.keys()],
    );
  const understood = understand(tensors, find, family, first.dialect, file);
  if (!understood.ok) return understood;
  const { config, statedImageSize, layout, notes, headIsForeign } = understood.value;

  const locations = new Map<ParamName, Location>();
  const missing: string[] = [];
  const anyBias = ['q', 'k', 'v'].some((part) => find(`blocks.0.${part}.bias`) !== null);
  for (const [name, shape] of backboneShapes(config)) {
    if (name === 'prefix_tokens') continue;
    const found = find(name);
    if (found === null) {
      const spared = spareBias.test(name) && (name.startsWith('patch') ? config.preNorm : !anyBias);
      if (!spared) missing.push(first.dialect.locate(name)?.tensor ?? name);
      continue;
    }
    const entry = present(tensors.get(found.location.tensor), name);
    const problem = entryProblem(name, entry, found.location, shape, layout, config);
    if (problem !== null) return problem;
    locations.set(name, found.location);
  }
  for (const token of layout.tokens) {
    const problem = typeProblem(token, present(tensors.get(token), token));
    if (problem !== null) return problem;
  }
  if (missing.length > 0) return otherModel('a checkpoint with gaps', missing);

  const heads = family.heads(new Set(tensors.keys()));
  const classes = headIsForeign ? 0 : headClasses(tensors, heads, config);
  const named = file.labels.length;
  const misnamed = classes > 0 && named > 0 && named !== classes;
  const used = new Set([...[...locations.values()].map(({ tensor }) => tensor), ...layout.tokens]);
  for (const head of heads) used.add(`${head}.weight`).add(`${head}.bias`);
  return ok({
    family,
    config: { ...config, imageSize: statedImageSize },
    storedImageSize: config.imageSize,
    locations,
    layout,
    dialect: first.dialect,
    head: classes > 0 ? { classes, labels: misnamed ? [] : file.labels } : null,
    heads,
    unused: [...tensors.keys()].filter((name) => !used.has(name)),
    notes: misnamed
      ? [
          ...notes,
          `Its config names ${named} classes and its classifier has ${classes}: the names are not used.`,
        ]
      : notes,
  });
}

/** Tensors of a checkpoint that are neither used nor known to be needless: worth a note. */
export function unexpectedTensors({ unused, family }: Checkpoint): string[] {
  return unused.filter((name) => !family.dropped?.test(name) && !family.carried?.test(name));
}

/**
 * The same checkpoint for images of another size: the positions are interpolated when it is loaded, as the
 * family's own library does it.
 */
export function withImageSize(checkpoint: Checkpoint, imageSize: number): Result<Checkpoint> {
  const config = { ...checkpoint.config, imageSize };
  const problem = configProblem(config);
  if (problem !== null) return fail({ kind: 'bad-recipe', field: 'imageSize', detail: problem });
  return ok({ ...checkpoint, config });
}

/** Classes of a head that fits the model; 0 for none. */
function headClasses(
  tensors: ReadonlyMap<string, TensorEntry>,
  heads: readonly string[],
  config: VitConfig,
): number {
  const shapes = heads.map((head) => tensors.get(`${head}.weight`)?.shape);
  const classes = shapes[0]?.[0] ?? 0;
  const width = headInputs(config) / heads.length;
  const fits = shapes.every((shape) => shape?.length === 2 && shape[0] === classes && shape[1] === width);
  return fits && heads.every((head) => tensors.has(`${head}.bias`)) ? classes : 0;
}

function typeProblem(name: string, { dtype }: TensorEntry): Result<never> | null {
  return isFloatType(dtype)
    ? null
    : fail({ kind: 'bad-file', name, why: 'dtype', detail: `Its values are stored as ${dtype}.` });
}

function entryProblem(
  name: ParamName,
  entry: TensorEntry,
  { tensor, third }: Location,
  shape: readonly number[],
  layout: Layout,
  config: VitConfig,
): Result<never> | null {
  const rows = layout.placedTokens + gridSize(config) ** 2;
  const expected =
    name === 'pos_embed'
      ? entry.shape.length === 2
        ? [rows, config.dim]
        : [1, rows, config.dim]
      : [(shape[0] ?? 0) * (third === null ? 1 : 3), ...shape.slice(1)];
  if (sizeOf(entry.shape) !== sizeOf(expected) || entry.shape[0] !== expected[0])
    return contradiction(
      `${tensor} has the shape [${entry.shape.join(', ')}] where [${expected.join(', ')}] belongs`,
    );
  return typeProblem(tensor, entry);
}

/**
 * Rows [begin, end) of a tensor as float32, flat. A value that is not finite is a fault, since no run could
 * recover from it.
 */
async function loadRows(
  file: Blob,
  header: SafetensorsHeader,
  tensor: string,
  rows: readonly [number, number] | null,
): Promise<Result<Float32Array>> {
  const entry = present(header.tensors.get(tensor), tensor);
  if (!isFloatType(entry.dtype)) return typeProblem(tensor, entry) ?? ok(new Float32Array(0));
  const values = decodeFloats(await readTensorRows(file, entry, rows), entry.dtype);
  if (!values.every((value) => Number.isFinite(value)))
    return fail({
      kind: 'bad-file',
      name: tensor,
      why: 'not-finite',
      detail: 'It holds values that are not finite.',
    });
  return ok(values);
}

/** Loads one parameter that is a tensor or a third of one, [shape of parameters.ts]. */
async function loadParameter(
  file: Blob,
  header: SafetensorsHeader,
  { tensor, third }: Location,
  shape: readonly number[],
): Promise<Result<NdArray>> {
  const rows = shape[0] ?? 0;
  const part = third === null ? null : ([third * rows, (third + 1) * rows] as const);
  const values = await loadRows(file, header, tensor, part);
  return values.ok ? ok(ndArray(shape, values.value)) : values;
}

/** Loads the backbone, tensor by tensor. */
export async function loadModel(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<Result<VitModel>> {
  const weights = new Map<ParamName, NdArray>();
  const spare = new Set<ParamName>();
  const shapes = backboneShapes(checkpoint.config);
  for (const [name, shape] of shapes) {
    const loaded = await loadWeight(file, header, checkpoint, name, shape);
    if (!loaded.ok) return loaded;
    weights.set(name, loaded.value);
    if (name !== 'prefix_tokens' && !checkpoint.locations.has(name)) spare.add(name);
    onProgress(weights.size, shapes.size);
  }
  return ok({ config: checkpoint.config, weights, ...(spare.size === 0 ? {} : { spare }) });
}

/** One parameter of the backbone, in the shape that `backboneShapes` gives it. */
export async function loadWeight(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
  name: ParamName,
  shape: readonly number[],
): Promise<Result<NdArray>> {
  if (name === 'prefix_tokens') return loadTokens(file, header, checkpoint, shape);
  if (name === 'pos_embed') return loadPositions(file, header, checkpoint, shape);
  const location = checkpoint.locations.get(name);
  return location === undefined ? ok(zeros(shape)) : loadParameter(file, header, location, shape);
}

/** The tokens before the patches, [1, prefixTokens, dim]. */
async function loadTokens(
  file: Blob,
  header: SafetensorsHeader,
  { layout }: Checkpoint,
  shape: readonly number[],
): Promise<Result<NdArray>> {
  const data = new Float32Array(sizeOf(shape));
  let at = 0;
  for (const token of layout.tokens) {
    const values = await loadRows(file, header, token, null);
    if (!values.ok) return values;
    data.set(values.value, at);
    at += values.value.length;
  }
  return ok(ndArray(shape, data));
}

/**
 * The positions as a file has them, at the checkpoint's image size: rows for the tokens that have one, then
 * the patches' grid, interpolated where the file's is another. [rows, dim] or [1, rows, dim], as in the file.
 */
export async function readPositions(
  file: Blob,
  header: SafetensorsHeader,
  { locations, layout, config, storedImageSize, family }: Checkpoint,
): Promise<Result<NdArray>> {
  const { tensor } = present(locations.get('pos_embed'), 'pos_embed');
  const values = await loadRows(file, header, tensor, null); // [placed tokens + stored grid^2, dim]
  if (!values.ok) return values;
  const { dim } = config;
  const placed = layout.placedTokens * dim;
  const patches = resizedPositions(
    values.value.subarray(placed),
    dim,
    storedImageSize / config.patchSize,
    gridSize(config),
    family.positions,
  );
  const data = new Float32Array(placed + patches.length);
  data.set(values.value.subarray(0, placed));
  data.set(patches, placed);
  const isFlat = header.tensors.get(tensor)?.shape.length === 2;
  return ok(ndArray(isFlat ? [data.length / dim, dim] : [1, data.length / dim, dim], data));
}

/** The positions of all tokens, [1, tokens, dim]: zeros for those that have none. */
async function loadPositions(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
  shape: readonly number[],
): Promise<Result<NdArray>> {
  const positions = await readPositions(file, header, checkpoint);
  if (!positions.ok) return positions;
  const { layout, config } = checkpoint;
  const placed = layout.placedTokens * config.dim;
  const data = new Float32Array(sizeOf(shape));
  data.set(positions.value.data.subarray(0, placed));
  data.set(positions.value.data.subarray(placed), config.prefixTokens * config.dim);
  return ok(ndArray(shape, data));
}

/** The head that the file brings along, [classes, headInputs] and [classes]; null without one. */
export async function loadHead(
  file: Blob,
  header: SafetensorsHeader,
  { head, heads, config }: Checkpoint,
): Promise<Result<Head | null>> {
  if (head === null) return ok(null);
  const width = headInputs(config) / heads.length;
  const loaded: Head[] = [];
  for (const name of heads) {
    const locate = (leaf: string): Location => ({ tensor: `${name}.${leaf}`, third: null });
    const weight = await loadParameter(file, header, locate('weight'), [head.classes, width]);
    if (!weight.ok) return weight;
    const bias = await loadParameter(file, header, locate('bias'), [head.classes]);
    if (!bias.ok) return bias;
    loaded.push({ weight: weight.value, bias: bias.value });
  }
  return ok(joinedHead(loaded));
}
