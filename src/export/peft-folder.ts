// The branches as a stock PEFT adapter for the original checkpoint: A and B of every adapted module in the
// names of the model in memory, the head whole, and LayerNorms or biases that were tuned beside them. Read
// back as PEFT would apply it: ranks and scales out of the written file.
import { factorOf, type Adapter, type LoraPair } from '../dmlora/adapter.ts';
import { fusedLora, stackedLora, withLora } from '../dmlora/stacked-lora.ts';
import { decodeFloats, encodeFloats, isFloatType } from '../formats/float-types.ts';
import { readPeftConfig, targetNames, writePeftConfig, type PeftConfig } from '../checkpoints/peft/config.ts';
import {
  readHeader,
  readTensorRows,
  writeSafetensors,
  type TensorEntry,
  type TensorToWrite,
} from '../formats/safetensors.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { tuneOf, type Tune } from '../dmlora/tuned.ts';
import { weightOf, type ParamName } from '../vit/parameters.ts';
import { whyNoLora } from '../recipe/what-learns.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { peftModules, type PeftModule } from '../checkpoints/peft/names.ts';
import { slotsOf, type Architecture } from '../checkpoints/architecture.ts';
import { namedBy } from '../checkpoints/rename-tensors.ts';
import { joinedHead, splitHead, type Head } from '../checkpoints/heads.ts';
import { libraries } from '../checkpoints/libraries.ts';
import { writePreprocessorConfig } from '../checkpoints/transformers/preprocessor-config.ts';
import type { ExportedFile } from './export-types.ts';
import { jsonFile, type ExportContext, type FormatWriter, type ReadBack } from './export-context.ts';
import { libraryForm } from './merged-folder.ts';

const prefix = 'base_model.model.';

/** The class of the original, with the names that it has in memory first. */
function baseArchitecture(context: ExportContext): Result<Architecture> {
  const library = libraries[context.source.config.library];
  const form = libraryForm(context, library);
  return form.ok ? ok(namedBy(form.value.architecture, library.names.memory)) : form;
}

/** The stacked pair of a module, fused where the module is; null without branches. */
function pairOf({ parts }: PeftModule, adapter: Adapter, out: number): LoraPair | null {
  const pairs = parts.map((linear) => {
    const module = adapter.modules.find(({ name }) => name === linear);
    return module === undefined || module.branches.length === 0 ? null : stackedLora(module);
  });
  if (pairs.every((pair) => pair === null)) return null;
  return pairs.length === 1 ? (pairs[0] ?? null) : fusedLora(pairs, out);
}

/** The scale that all modules have in common; the scalars are in B. */
function scaleOf({ modules: [first] }: Adapter): Pick<PeftConfig, 'scale'> {
  if (first?.scaling === undefined) return {};
  return { scale: { factor: factorOf(first), by: first.scaling.by } };
}

const tunedBy = ({ backbone }: Pick<Adapter, 'backbone'>): Tune => tuneOf([...(backbone?.keys() ?? [])]);

/** A vector of the backbone, as it was tuned where it was. */
const valueOf = ({ source, adapter }: ExportContext, name: ParamName): NdArray =>
  adapter.backbone?.get(name) ?? weightOf(source.model.weights, name);

/** The tensors of the class that hold what was tuned, one parameter each, or q, k and v fused. */
function tunedTensors(
  { adapter }: ExportContext,
  base: Architecture,
): { readonly name: string; readonly parameters: readonly ParamName[] }[] {
  return slotsOf(base).flatMap(({ names: [name = ''], content }) =>
    content.kind === 'parameters' && content.names.some((parameter) => adapter.backbone?.has(parameter))
      ? [{ name, parameters: content.names }]
      : [],
  );
}

/** A tensor's module: its name without weight or bias. */
const moduleOf = (tensor: string): string => tensor.replace(/\.[^.]+$/, '');

/** The name that PEFT gives a tensor: in an adapted module the original is a layer of its own. */
function savedName(tensor: string, adapted: { has(module: string): boolean }): string {
  const module = moduleOf(tensor);
  return adapted.has(module) ? `${module}.base_layer${tensor.slice(module.length)}` : tensor;
}

export const peftFolder: FormatWriter = {
  write(context) {
    const { source, adapter, dtype } = context;
    const refused = whyNoLora({
      hasBranches: adapter.modules.length > 0,
      tunes: tunedBy(adapter),
    });
    if (refused !== null)
      return Promise.resolve(fail({ kind: 'bad-recipe', field: 'export', detail: refused }));
    const base = baseArchitecture(context);
    if (!base.ok) return Promise.resolve(base);
    const { dialects, heads } = base.value;
    const type = dtype === 'source' ? 'F32' : dtype;
    const written = new Map<string, TensorToWrite>();
    const put = (name: string, { shape, data }: NdArray, as = type): void => {
      written.set(prefix + name, { dtype: as, shape, bytes: encodeFloats(data, as) });
    };
    const ranks = new Map<string, number>();
    for (const module of peftModules(source.model.config, present(dialects[0], 'names'))) {
      const pair = pairOf(module, adapter, source.model.config.dim);
      if (pair === null) continue;
      put(`${module.name}.lora_A.weight`, pair.A);
      put(`${module.name}.lora_B.weight`, pair.B);
      ranks.set(module.name, pair.A.shape[0] ?? 0);
    }
    for (const [part, head] of splitHead(adapter.head, heads.length).entries()) {
      put(`${heads[part] ?? ''}.weight`, head.weight);
      put(`${heads[part] ?? ''}.bias`, head.bias);
    }
    const tuned = tunedTensors(context, base.value);
    for (const { name, parameters } of tuned) {
      const parts = parameters.map((parameter) => valueOf(context, parameter));
      const data = parts.flatMap((part) => [...part.data]);
      // No differences but values, of which what was learned is a small part: they keep float32.
      put(savedName(name, ranks), ndArray([data.length], Float32Array.from(data)), 'F32');
    }
    const isNorms = tunedBy(adapter) === 'norms';
    const names = slotsOf(base.value).map((slot) => slot.names[0] ?? '');
    const modules = names.filter((name) => name.endsWith('.weight')).map((name) => name.slice(0, -7));
    const text = writePeftConfig({
      baseClass: libraries[source.config.library].baseClass(source.checkpoint, source.config),
      baseModel: source.origin.hubId,
      revision: source.origin.revision,
      targetModules: targetNames([...ranks.keys()], modules),
      ranks,
      ...scaleOf(adapter),
      modulesToSave: [...heads, ...(isNorms ? new Set(tuned.map(({ name }) => moduleOf(name))) : [])],
      biases: tuned.length > 0 && !isNorms,
    });
    return Promise.resolve(
      ok([
        { name: 'adapter_model.safetensors', blob: writeSafetensors(written) },
        jsonFile('adapter_config.json', text),
        // The base says how images are prepared, but not the window that 16-bit grey was seen through.
        ...(source.preprocessing.grey16 === undefined
          ? []
          : [jsonFile('preprocessor_config.json', writePreprocessorConfig(source.preprocessing))]),
      ]),
    );
  },
  readBack,
};

async function readBack(context: ExportContext, files: readonly ExportedFile[]): Promise<Result<ReadBack>> {
  const { source } = context;
  const blobOf = (name: string): Blob =>
    present(
      files.find((file) => file.name === name),
      name,
    ).blob;
  const config = readPeftConfig(await blobOf('adapter_config.json').text());
  if (!config.ok) return config;
  const file = blobOf('adapter_model.safetensors');
  const header = await readHeader(file, 'adapter_model.safetensors');
  if (!header.ok) return header;
  const left = new Set(header.value.tensors.keys());
  const entryOf = (name: string): TensorEntry => {
    left.delete(prefix + name);
    return present(header.value.tensors.get(prefix + name), name);
  };
  const read = async (
    entry: TensorEntry,
    rows: readonly [number, number] | null = null,
  ): Promise<NdArray> => {
    const dtype = isFloatType(entry.dtype) ? entry.dtype : 'F32';
    const data = decodeFloats(await readTensorRows(file, entry, rows), dtype);
    return ndArray(
      [rows === null ? (entry.shape[0] ?? 0) : rows[1] - rows[0], ...entry.shape.slice(1)],
      data,
    );
  };
  const base = baseArchitecture(context);
  if (!base.ok) return base;
  const dialect = present(base.value.dialects[0], 'names');
  /** By parameter: A whole, the rows of B that are its own, and their scale. */
  const adapted = new Map<ParamName, () => Promise<{ readonly pair: LoraPair; readonly scale: number }>>();
  const modules = new Set<string>();
  for (const { name, parts } of peftModules(source.model.config, dialect)) {
    if (!config.value.adapts(name)) continue;
    modules.add(name);
    const [A, B] = [entryOf(`${name}.lora_A.weight`), entryOf(`${name}.lora_B.weight`)];
    if (A.shape[0] !== config.value.rankOf(name))
      return wrong(`${name} has rank ${A.shape[0] ?? 0}, the file says ${config.value.rankOf(name)}`);
    const rows = (B.shape[0] ?? 0) / parts.length;
    const scale = config.value.scaleOf(name);
    parts.forEach((linear, third) =>
      adapted.set(`${linear}.weight`, async () => {
        const own = [third * rows, (third + 1) * rows] as const;
        return { pair: { A: await read(A), B: await read(B, own) }, scale };
      }),
    );
  }
  /** What was tuned of the backbone, by parameter: the rows of its tensor that are its own. */
  const tuned = new Map<ParamName, () => Promise<NdArray>>();
  for (const { name, parameters } of tunedTensors(context, base.value)) {
    const entry = entryOf(savedName(name, modules));
    const rows = (entry.shape[0] ?? 0) / parameters.length;
    parameters.forEach((parameter, part) =>
      tuned.set(parameter, () => read(entry, [part * rows, (part + 1) * rows])),
    );
  }
  const parts: Head[] = [];
  for (const name of base.value.heads)
    parts.push({ weight: await read(entryOf(`${name}.weight`)), bias: await read(entryOf(`${name}.bias`)) });
  const head = joinedHead(parts);
  if (left.size > 0) return wrong(`${[...left].slice(0, 3).join(', ')} would not be used`);
  return ok({
    config: source.model.config,
    preprocessing: source.preprocessing,
    async read(name) {
      if (name === 'head.weight') return ok(head.weight);
      if (name === 'head.bias') return ok(head.bias);
      const own = await tuned.get(name)?.();
      if (own !== undefined) return ok(own);
      const weight = present(source.model.weights.get(name), name);
      const lora = await adapted.get(name)?.();
      return ok(lora === undefined ? weight : withLora(weight, lora.pair, lora.scale));
    },
  });
}

function wrong(detail: string): Result<never> {
  return fail({
    kind: 'bad-file',
    name: 'adapter_model.safetensors',
    why: 'config-invalid',
    detail: `${detail}.`,
  });
}
