// Adapters that peft itself wrote, merged into their bases or as the start of branches: logits and weights
// are those of peft's merge_and_unload; an adapter without its base is named with it, and what is more than a
// LoRA of linear layers is refused by its name.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { dropBranches } from '../../dmlora/drop-plan.ts';
import { loraNeeds, loraProblem } from '../../dmlora/lora-start.ts';
import { mergedWeights } from '../../dmlora/merge.ts';
import { assertClose } from '../../engine/checks/close.ts';
import { readerOf } from '../../engine/checks/node-backends.ts';
import { readTensors, tensorOf, type Tensors } from '../../engine/checks/reference.ts';
import { decodeFloats, encodeFloats } from '../../formats/float-types.ts';
import {
  readHeader,
  readTensorBytes,
  writeSafetensors,
  type TensorToWrite,
} from '../../formats/safetensors.ts';
import { recipeDefaults, type DmloraOptions } from '../../recipe/recipe.ts';
import { present } from '../../shared/assert.ts';
import { faultSentence } from '../../shared/describe-fault.ts';
import { type Result, unwrap } from '../../shared/result.ts';
import { startingAdapter } from '../../train/run-state.ts';
import { openModel, unknownOrigin, type AdapterBeside, type OpenModel } from '../open-model.ts';
import {
  assertLogits,
  casesFolder,
  faultOf,
  pile,
  refusal,
  renamed,
  tiny,
  type Pile,
  type Tiny,
} from '../testing/tiny-models.ts';

let hf: Tiny;
let timm: Tiny;

beforeAll(async () => {
  [hf, timm] = [await tiny('tiny-hf'), await tiny('tiny-timm')];
});

const folderOf = (name: string): string => path.join(casesFolder, 'adapters', name);

async function adapter(name: string): Promise<Pile> {
  const files: Record<string, Blob> = {};
  for (const file of await readdir(folderOf(name)))
    if (file.startsWith('adapter')) files[file] = new Blob([await readFile(path.join(folderOf(name), file))]);
  return files;
}

const openedWith = (base: Tiny, beside: Pile, as: AdapterBeside['as']): Promise<Result<OpenModel>> =>
  openModel(pile(base.files), 'base', {
    origin: { ...unknownOrigin, hubId: 'a/b' },
    adapter: { files: pile(beside), as },
  });

const merged = (base: Tiny, beside: Pile): Promise<Result<OpenModel>> => openedWith(base, beside, 'merged');

async function mergeRefusal(base: Tiny, beside: Pile): Promise<string> {
  const result = await merged(base, beside);
  return result.ok ? 'merged' : faultSentence(result.fault);
}

/** An adapter with other names or tensors. */
async function changed(
  beside: Pile,
  change: (tensors: Map<string, TensorToWrite>) => Map<string, TensorToWrite>,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<Pile> {
  const blob = beside['adapter_model.safetensors'];
  const config = beside['adapter_config.json'];
  if (!(blob instanceof Blob) || !(config instanceof Blob)) throw new Error('no adapter');
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, entry] of unwrap(await readHeader(blob, 'adapter')).tensors)
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes: await readTensorBytes(blob, entry) });
  return {
    'adapter_model.safetensors': writeSafetensors(change(tensors)),
    'adapter_config.json': JSON.stringify({ ...(JSON.parse(await config.text()) as object), ...fields }),
  };
}

const expectedOf = async (name: string, { expected }: Tiny): Promise<Tensors> =>
  new Map([
    ...(await readTensors(readerOf(folderOf(name)), 'expected.safetensors')),
    ['pixel_values', tensorOf(expected, 'pixel_values')],
  ]);

describe('merged as peft merges', () => {
  test.each([
    ['hf', 'rank and alpha patterns, rslora, a head of three classes', () => hf],
    ['hf-bias', 'a pattern of targets, all biases, a layer norm whole', () => hf],
    ['hf-lora-bias', 'biases of the branches', () => hf],
    ['timm', 'fused q, k and v, a head', () => timm],
  ])('%s: %s', async (name, _, base) => {
    const model = unwrap(await merged(base(), await adapter(name)));
    const expected = await expectedOf(name, base());
    await assertLogits(model, expected);
    for (const [key, weight] of expected) {
      if (!key.startsWith('merged.')) continue;
      const tensor = key
        .replace('merged.', '')
        .replace('layers.1.attention.q_proj', 'encoder.layer.1.attention.attention.query');
      const entry = present(model.header.tensors.get(tensor), tensor);
      const own = decodeFloats(await readTensorBytes(model.file, entry), 'F32');
      // Sums in another order: a few units in the last place.
      assertClose(tensor, own, weight.data, { abs: 1e-6, rel: 1e-6 });
    }
    expect(model.summary.notes.join(' ')).toContain('it was made for someone/tiny');
    // What is trained from here is no longer relative to the base on the Hub.
    expect(model.origin.hubId).toBeNull();
  });

  test('the older names of the same modules, and an adapter name in the keys', async () => {
    const older = await changed(await adapter('hf-lora-bias'), (tensors) =>
      renamed(tensors, (name) =>
        name
          .replace(/layers\.(\d)\.attention\.q_proj/, 'encoder.layer.$1.attention.attention.query')
          .replace('lora_A.', 'lora_A.default.'),
      ),
    );
    await assertLogits(unwrap(await merged(hf, older)), await expectedOf('hf-lora-bias', hf));
  });

  test('into a float16 base: stays float16, the sum rounded once', async () => {
    const stored = async (model: OpenModel, dtype: 'F16' | 'F32') =>
      decodeFloats(await readTensorBytes(model.file, present(model.header.tensors.get(query), query)), dtype);
    const query = 'vit.encoder.layer.0.attention.attention.query.weight';
    const weights = present(hf.files['model.safetensors'], 'weights');
    const blob = weights instanceof Blob ? weights : new Blob([weights]);
    const halves = new Map<string, TensorToWrite>();
    const rounded = new Map<string, TensorToWrite>();
    for (const [name, entry] of unwrap(await readHeader(blob, 'base')).tensors) {
      const half = encodeFloats(decodeFloats(await readTensorBytes(blob, entry), 'F32'), 'F16');
      halves.set(name, { dtype: 'F16', shape: entry.shape, bytes: half });
      const bytes = encodeFloats(decodeFloats(half, 'F16'), 'F32');
      rounded.set(name, { dtype: 'F32', shape: entry.shape, bytes });
    }
    const beside = await adapter('hf-lora-bias');
    const [small, wide] = [halves, rounded].map((tensors) => ({
      ...hf,
      files: { ...hf.files, 'model.safetensors': writeSafetensors(tensors) },
    }));
    const [got, exact] = [
      unwrap(await merged(present(small, 'base'), beside)),
      unwrap(await merged(present(wide, 'base'), beside)),
    ];
    expect(present(got.header.tensors.get(query), query).dtype).toBe('F16');
    const once = decodeFloats(encodeFloats(await stored(exact, 'F32'), 'F16'), 'F16');
    expect(await stored(got, 'F16')).toEqual(once);
  });

  test('class names beside the adapter are those of its head', async () => {
    const id2label = { 0: 'x', 1: 'y', 2: 'z' };
    const beside = {
      ...(await adapter('hf')),
      'config.json': JSON.stringify({ model_type: 'vit', id2label }),
    };
    expect(unwrap(await merged(hf, beside)).summary.labels).toEqual(['x', 'y', 'z']);
  });
});

describe('without its base', () => {
  test('it is named with the base, also beside a config.json', async () => {
    for (const beside of [{}, { 'config.json': present(hf.files['config.json'], 'config') }]) {
      const files = { ...(await adapter('hf')), ...beside };
      expect(await faultOf(files)).toEqual({ kind: 'adapter-alone', base: 'someone/tiny' });
      expect(await refusal(files)).toBe(
        'This is a PEFT adapter, not a model: It is a PEFT adapter for someone/tiny: what was learned, without the weights that it adapts. Merge it first (merge_and_unload() in Python), or open its base someone/tiny: it can then be merged into that, or be what training starts from.',
      );
    }
    expect(await faultOf({ 'adapter_model.bin': 'x' })).toEqual({ kind: 'adapter-alone', base: null });
  });

  test('a model beside an adapter stays a model, and the adapter is named', async () => {
    const model = unwrap(await openModel(pile({ ...hf.files, ...(await adapter('hf')) }), 'x'));
    expect(model.summary.notes[0]).toBe('Taken from the top folder. Not used: adapter_config.json.');
    await assertLogits(model, hf.expected);
  });
});

describe('refused', () => {
  const same = (tensors: Map<string, TensorToWrite>): Map<string, TensorToWrite> => tensors;

  test.each([
    [{ peft_type: 'IA3' }, 'another kind than LoRA: IA3'],
    [{ use_dora: true }, 'a DoRA'],
    [{ init_lora_weights: 'pissa_niter_4' }, 'began as pissa_niter_4'],
    [{ layer_replication: [[0, 1]] }, 'repeats layers'],
    [{ r: 5 }, 'has rank 4, its configuration says 5'],
  ])('%j: %s', async (fields, words) => {
    expect(await mergeRefusal(hf, await changed(await adapter('hf'), same, fields))).toContain(words);
  });

  test('magnitudes, convolutions and another base, by what is in the file', async () => {
    const beside = await adapter('hf-lora-bias');
    const q = 'base_model.model.vit.layers.0.attention.q_proj';
    const extra = (name: string, shape: readonly number[]) => (tensors: Map<string, TensorToWrite>) =>
      tensors.set(name, { dtype: 'F32', shape, bytes: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)) });
    expect(
      await mergeRefusal(hf, await changed(beside, extra(`${q}.lora_magnitude_vector`, [32]))),
    ).toContain('a DoRA');
    const patch = 'base_model.model.vit.embeddings.patch_embeddings.projection';
    const conv = await changed(beside, (tensors) =>
      extra(`${patch}.lora_B.weight`, [32, 2, 1, 1])(extra(`${patch}.lora_A.weight`, [2, 3, 8, 8])(tensors)),
    );
    expect(await mergeRefusal(hf, conv)).toContain('a LoRA of a convolution');
    expect(await mergeRefusal(timm, beside)).toContain('it is not the base of this adapter');
    expect(await mergeRefusal(hf, await adapter('timm'))).toContain('it is not the base of this adapter');
    expect(await mergeRefusal(hf, { 'x.txt': 'x' })).toContain('There is none among the files');
  });
});

describe('as the start of branches', () => {
  const labelled = async (name: string, labels: readonly string[]): Promise<Pile> => ({
    ...(await adapter(name)),
    'config.json': JSON.stringify({ id2label: Object.fromEntries(labels.map((label, i) => [i, label])) }),
  });

  async function startOf(base: Tiny, beside: Pile, changes: Partial<DmloraOptions> = {}) {
    const model = unwrap(await openedWith(base, beside, 'branches'));
    const { loras, head } = present(model.start ?? undefined, 'a start');
    const dmlora = { ...recipeDefaults.dmlora, branches: 3, rank: 2, ...changes };
    expect(loraProblem(loraNeeds(loras), dmlora)).toBeNull();
    const classes = head?.labels ?? ['x', 'y'];
    const started = startingAdapter({
      recipe: { ...recipeDefaults, dmlora },
      model: model.model,
      data: { classes },
      head,
      start: loras,
    });
    return { model, loras, head, started };
  }

  test.each([
    ['hf', 'rank and alpha patterns, rslora', () => hf, 1, ['x', 'y', 'z']],
    ['hf', 'a scalar other than 1', () => hf, 2.5, ['x', 'y', 'z']],
    ['timm', 'fused q, k and v', () => timm, 1, ['v', 'w', 'x', 'y', 'z']],
  ])('%s: %s: the first step is base and adapter', async (name, _, base, scalarStart, labels) => {
    const beside = await labelled(name, labels);
    const { model, loras, started, head } = await startOf(base(), beside, { scalarStart });
    const expected = await expectedOf(name, base());
    await assertLogits(model, expected, { abs: 1e-5, rel: 1e-5 }, started);
    // Merging these branches gives peft's merged weights, and the base stays as it was.
    const plain = unwrap(await openModel(pile(base().files), 'base'));
    expect(model.model.weights).toEqual(plain.model.weights);
    const whole = unwrap(await merged(base(), beside));
    const got = mergedWeights(model.model.weights, started);
    for (const [weight, { data }] of whole.model.weights)
      assertClose(weight, (got.get(weight) ?? present(plain.model.weights.get(weight), weight)).data, data, {
        abs: 1e-6,
        rel: 1e-6,
      });
    expect(head?.labels).toEqual(labels);
    expect(model.summary.labels).toEqual(labels);
    expect(model.origin.hubId).toBe('a/b');
    expect((await startOf(base(), beside, { scalarStart })).started).toEqual(started);
    // A drop before any step: every module loses its first branch, and the others still run.
    const dropped = dropBranches(started, new Map(started.modules.map((module) => [module.name, 0])));
    expect(dropped.modules.every(({ branches }) => branches.length === 2)).toBe(true);
    expect(loras.length).toBeGreaterThan(0);
    const notes = model.summary.notes.join(' ');
    expect(notes).toContain('is what the branches start from');
    expect(notes).toContain('is taken for images of just these classes');
  });

  test('a head whose classes nothing names is left out, and that is said', async () => {
    const { model, head, loras } = await startOf(hf, await adapter('hf'));
    expect(head).toBeNull();
    expect(loras.length).toBeGreaterThan(0);
    expect(model.summary.notes.join(' ')).toContain('is left out: nothing names them');
  });

  test.each([
    ['hf-bias', 'changes more than its pairs and a head (19 tensors whole, like'],
    ['hf-lora-bias', 'adds a bias of its own'],
  ])('%s: refused: %s', async (name, words) => {
    const result = await openedWith(hf, await adapter(name), 'branches');
    expect(result.ok ? 'opened' : faultSentence(result.fault)).toContain(words);
    expect(result.ok ? 'opened' : faultSentence(result.fault)).toContain('Merge it into its base instead');
  });

  test('what is no linear of a block, a half head, and what cannot be merged either', async () => {
    const refusedAs = async (base: Tiny, beside: Pile): Promise<string> => {
      const result = await openedWith(base, beside, 'branches');
      return result.ok ? 'opened' : faultSentence(result.fault);
    };
    const beside = await adapter('hf');
    const half = await changed(beside, (tensors) =>
      renamed(tensors, (name) => (name.endsWith('classifier.bias') ? null : name)),
    );
    expect(await refusedAs(hf, half)).toContain('Of the head it has just');
    expect(await refusedAs(timm, beside)).toContain('it is not the base of this adapter');
    const classifier = await changed(beside, (tensors) => {
      const plain = renamed(tensors, (name) => (name.includes('classifier') ? null : name));
      const zeros = (shape: readonly number[]) =>
        ({ dtype: 'F32', shape, bytes: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)) }) as const;
      const rows = present(hf.tensors.get('classifier.weight'), 'classifier').shape;
      return plain
        .set('base_model.model.classifier.lora_A.weight', zeros([4, rows[1] ?? 0]))
        .set('base_model.model.classifier.lora_B.weight', zeros([rows[0] ?? 0, 4]));
    });
    expect(await refusedAs(hf, classifier)).toContain('It adapts classifier.weight, which gets no branches');
  });
});
