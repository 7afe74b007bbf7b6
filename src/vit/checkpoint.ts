// A checkpoint file -> a ViT: finds every parameter whatever names the file uses, takes the numbers from the shapes,
// refuses gaps and contradictions by name, and loads the tensors one at a time.
import type { ModelConfigFile } from '../formats/model-config.ts';
import { decodeFloats, isFloatType } from '../formats/float-types.ts';
import { readTensorBytes, type SafetensorsHeader, type TensorEntry } from '../formats/safetensors.ts';
import { ndArray, sizeOf, sliceRows, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { dialects, ignorable, neighbours, type Dialect, type Location } from './dialects.ts';
import { backboneShapes, type ParamName, type VitModel } from './parameters.ts';
import { configProblem, originalVit, type VitConfig } from './vit-config.ts';

/** A head that the file brings along; null when it has none or one of another kind. */
export interface CheckpointHead {
  readonly classes: number;
  readonly labels: readonly string[];
}

export interface Checkpoint {
  readonly config: VitConfig;
  /** Where each canonical parameter lies. */
  readonly locations: ReadonlyMap<ParamName, Location>;
  /** The dialect of the file (of its first block, where it mixes several). */
  readonly dialect: Dialect;
  readonly head: CheckpointHead | null;
  /** Tensors that no parameter needs. */
  readonly unused: readonly string[];
}

/** Understands a checkpoint from its header and config.json, without reading a tensor. */
export function readCheckpoint(header: SafetensorsHeader, file: ModelConfigFile): Result<Checkpoint> {
  const { tensors } = header;
  const find = (name: ParamName): { location: Location; dialect: Dialect } | null => {
    for (const dialect of dialects) {
      const location = dialect.locate(name);
      if (location !== null && tensors.has(location.tensor)) return { location, dialect };
    }
    return null;
  };
  const wrong = (
    found: string,
    missing: readonly string[],
    unexpected: readonly string[],
  ): Result<Checkpoint> =>
    fail({ kind: 'wrong-model', expected: 'a plain ViT or DeiT', found, missing, unexpected });

  const neighbour = neighbours.find(({ pattern }) => [...tensors.keys()].some((name) => pattern.test(name)));
  if (neighbour !== undefined) return wrong(neighbour.title, [], []);
  if (file.globalPool !== 'token')
    return wrong(`a ViT with ${file.globalPool} pooling instead of a class token`, [], []);
  const first = find('blocks.0.q.weight');
  if (first === null) return wrong(describeUnknown(file), ['the first block'], [...tensors.keys()]);

  const shapes = shapesOf(tensors, find, file);
  if (!shapes.ok) return shapes;
  const config = shapes.value;
  const locations = new Map<ParamName, Location>();
  const missing: ParamName[] = [];
  for (const [name, shape] of backboneShapes(config)) {
    const found = find(name);
    if (found === null) {
      missing.push(first.dialect.locate(name)?.tensor ?? name);
      continue;
    }
    const entry = present(tensors.get(found.location.tensor), name);
    const expected =
      found.location.third === null ? shape : [shape[0] === undefined ? 0 : shape[0] * 3, ...shape.slice(1)];
    if (sizeOf(entry.shape) !== sizeOf(expected) || entry.shape[0] !== expected[0])
      return contradiction(
        `${found.location.tensor} has the shape [${entry.shape.join(', ')}] where [${expected.join(', ')}] belongs`,
      );
    if (!isFloatType(entry.dtype))
      return fail({
        kind: 'bad-file',
        name: found.location.tensor,
        why: 'dtype',
        detail: `Its values are stored as ${entry.dtype}.`,
      });
    locations.set(name, found.location);
  }
  if (missing.length > 0) return wrong('a checkpoint with gaps', missing, []);

  const weight = find('head.weight');
  const classes = weight === null ? 0 : (tensors.get(weight.location.tensor)?.shape[0] ?? 0);
  const used = new Set([...locations.values()].map(({ tensor }) => tensor));
  if (weight !== null) {
    used.add(weight.location.tensor);
    const bias = find('head.bias');
    if (bias !== null) used.add(bias.location.tensor);
  }
  return ok({
    config,
    locations,
    dialect: first.dialect,
    head: classes > 0 ? { classes, labels: file.labels.length === classes ? file.labels : [] } : null,
    unused: [...tensors.keys()].filter((name) => !used.has(name)),
  });
}

/** Tensors of a checkpoint that are neither used nor known to be needless: worth a note. */
export function unexpectedTensors(checkpoint: Checkpoint): string[] {
  return checkpoint.unused.filter((name) => !ignorable.test(name));
}

function contradiction(detail: string): Result<never> {
  return fail({ kind: 'bad-file', name: 'config.json', why: 'config-invalid', detail });
}

function describeUnknown(file: ModelConfigFile): string {
  return `"${file.architecture}", which has no tensors of a ViT`;
}

/** The numbers of the model: from the shapes, checked against config.json, heads and epsilon from config.json alone. */
function shapesOf(
  tensors: ReadonlyMap<string, TensorEntry>,
  find: (name: ParamName) => { location: Location } | null,
  file: ModelConfigFile,
): Result<VitConfig> {
  const shapeOf = (name: ParamName): readonly number[] | null => {
    const found = find(name);
    return found === null ? null : (tensors.get(found.location.tensor)?.shape ?? null);
  };
  const patch = shapeOf('patch_embed.weight');
  const positions = shapeOf('pos_embed');
  const fc1 = shapeOf('blocks.0.fc1.weight');
  if (patch === null || positions === null || fc1 === null) {
    const missing = ['patch_embed.weight', 'pos_embed', 'blocks.0.fc1.weight'].filter(
      (name) => shapeOf(name) === null,
    );
    const fault: Fault = {
      kind: 'wrong-model',
      expected: 'a plain ViT or DeiT',
      found: 'a checkpoint with gaps',
      missing,
      unexpected: [],
    };
    return fail(fault);
  }
  const [dim = 0, channels = 0, patchSize = 0] = patch;
  if (patch.length !== 4 || channels !== 3)
    return contradiction(`the patch projection has the shape [${patch.join(', ')}]; images need 3 channels`);
  let depth = 0;
  while (find(`blocks.${depth}.q.weight`) !== null) depth++;
  const grid = Math.sqrt((positions[1] ?? 0) - 1);
  if (!Number.isInteger(grid) || grid < 1)
    return contradiction(`${positions[1] ?? 0} positions are no square grid and a class token`);
  if (file.heads === null) return contradiction('it does not tell the number of attention heads');
  if (!/^(gelu|gelu_python|nn\.GELU)$/.test(file.activation))
    return contradiction(`the activation "${file.activation}" is not the exact GELU`);
  const config: VitConfig = {
    imageSize: grid * patchSize,
    patchSize,
    dim,
    depth,
    heads: file.heads,
    mlpDim: fc1[0] ?? 0,
    layerNormEps: file.layerNormEps,
    ...originalVit,
  };
  for (const key of ['imageSize', 'patchSize', 'dim', 'depth', 'mlpDim'] as const) {
    const stated = file[key];
    if (stated !== null && stated !== config[key])
      return contradiction(`it states ${key} ${stated}, the tensors have ${config[key]}`);
  }
  const problem = configProblem(config);
  return problem === null ? ok(config) : contradiction(problem);
}

/**
 * Loads one parameter as float32, [shape of parameters.ts]; fused tensors are cut. A value that is not finite is a
 * fault, since no run could recover from it.
 */
async function loadParameter(
  file: Blob,
  header: SafetensorsHeader,
  { tensor, third }: Location,
  shape: readonly number[],
): Promise<Result<NdArray>> {
  const entry = present(header.tensors.get(tensor), tensor);
  if (!isFloatType(entry.dtype))
    return fail({
      kind: 'bad-file',
      name: tensor,
      why: 'dtype',
      detail: `Its values are stored as ${entry.dtype}.`,
    });
  const values = decodeFloats(await readTensorBytes(file, entry), entry.dtype);
  const wholeTensor = ndArray(entry.shape, values);
  const rows = shape[0] ?? 0;
  const part = third === null ? wholeTensor : sliceRows(wholeTensor, third * rows, (third + 1) * rows);
  if (!part.data.every((value) => Number.isFinite(value)))
    return fail({
      kind: 'bad-file',
      name: tensor,
      why: 'not-finite',
      detail: 'It holds values that are not finite.',
    });
  return ok(ndArray(shape, part.data));
}

/** Loads the backbone, tensor by tensor. */
export async function loadModel(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<Result<VitModel>> {
  const weights = new Map<ParamName, NdArray>();
  const shapes = backboneShapes(checkpoint.config);
  for (const [name, shape] of shapes) {
    const location = present(checkpoint.locations.get(name), name);
    const loaded = await loadParameter(file, header, location, shape);
    if (!loaded.ok) return loaded;
    weights.set(name, loaded.value);
    onProgress(weights.size, shapes.size);
  }
  return ok({ config: checkpoint.config, weights });
}

/** The head that the file brings along, [classes, dim] and [classes]; null without one. */
export async function loadHead(
  file: Blob,
  header: SafetensorsHeader,
  checkpoint: Checkpoint,
): Promise<Result<{ weight: NdArray; bias: NdArray } | null>> {
  const { head, dialect, config } = checkpoint;
  const [weight, bias] = [dialect.locate('head.weight'), dialect.locate('head.bias')];
  if (head === null || weight === null || bias === null || !header.tensors.has(bias.tensor)) return ok(null);
  const loadedWeight = await loadParameter(file, header, weight, [head.classes, config.dim]);
  if (!loadedWeight.ok) return loadedWeight;
  const loadedBias = await loadParameter(file, header, bias, [head.classes]);
  if (!loadedBias.ok) return loadedBias;
  return ok({ weight: loadedWeight.value, bias: loadedBias.value });
}
