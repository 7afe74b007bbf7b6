// People's model files, of the kinds that other tools and habits make: each is opened as a user's files are,
// and its logits are those that its own library computes, or it is refused in words that say what to do.
// Beside each kind stands a case that must not change.
import { beforeAll, describe, expect, test } from 'vitest';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { readerOf } from '../engine/checks/node-backends.ts';
import { readTensors } from '../engine/checks/reference.ts';
import { decodeFloats, encodeFloats } from '../formats/float-types.ts';
import { readHeader, readTensorBytes } from '../formats/safetensors.ts';
import { ndArray, sizeOf } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { fineTunedTensors } from './write-checkpoint.ts';
import { openModel, type OpenModel } from './open-model.ts';
import {
  assertLogits,
  casesFolder,
  json,
  opened,
  pile,
  refusal,
  renamed,
  tiny,
  withConfig,
  withWeights,
  without,
  type Pile,
  type Tiny,
} from './testing/tiny-models.ts';
import { unwrap } from '../shared/result.ts';
const f64 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(Float64Array.from(decodeFloats(bytes, 'F32')).buffer);

let hf: Tiny;
let timm: Tiny;

beforeAll(async () => {
  [hf, timm] = [await tiny('tiny-hf'), await tiny('tiny-timm')];
});

describe('prefixes of wrappers', () => {
  test.each([
    ['_orig_mod.', 'torch.compile'],
    ['module.', 'DataParallel'],
    ['module._orig_mod.', ''],
    ['model.', 'Lightning'],
    ['backbone.', ''],
    ['net.', ''],
    ['student.encoder_q.', ''],
  ])('%s is taken off both libraries and said; written names are without it', async (prefix, maker) => {
    for (const source of [hf, timm]) {
      const model = unwrap(
        await opened(
          withWeights(
            source,
            renamed(source.tensors, (name) => prefix + name),
          ),
        ),
      );
      expect(model.summary.notes[0]).toContain(`a wrapper's prefix, "${prefix}"`);
      expect(model.summary.notes[0]).toContain(maker);
      await assertLogits(model, source.expected);
      const written = await fineTunedTensors(model.file, model.header, model.checkpoint, new Map());
      expect([...written.keys()].sort()).toEqual(
        [...source.tensors.keys()].filter((name) => !/^(classifier|head)\./.test(name)).sort(),
      );
    }
  });

  test('names of transformers 5 and names without the class prefix', async () => {
    for (const rename of [
      (name: string) => `net.${name.replace(/^vit\./, '')}`,
      (name: string) =>
        `_orig_mod.${name
          .replace('encoder.layer.', 'layers.')
          .replace(
            /attention\.attention\.(query|key|value)/,
            (_, part: string) => `attention.${part.charAt(0)}_proj`,
          )
          .replace('attention.output.dense', 'attention.o_proj')
          .replace('intermediate.dense', 'mlp.fc1')
          .replace(/(layers\.\d+)\.output\.dense/, '$1.mlp.fc2')}`,
    ])
      await assertLogits(unwrap(await opened(withWeights(hf, renamed(hf.tensors, rename)))), hf.expected);
  });

  test('what lies outside of it is left out and said', async () => {
    const files = withWeights(
      hf,
      renamed(hf.tensors, (name) => (name.startsWith('vit.') ? `model.${name}` : `criterion.${name}`)),
    );
    const model = unwrap(await opened(files));
    expect(model.checkpoint.head).toBeNull();
    expect(model.summary.notes.join(' ')).toContain('2 tensors lie outside of "model." and are left out');
    expect(model.summary.notes.join(' ')).toContain('criterion.classifier.bias');
  });

  test('several are named in the refusal', async () => {
    const both = new Map([
      ...renamed(timm.tensors, (name) => `model.${name}`),
      ...renamed(timm.tensors, (name) => `ema_model.module.${name}`),
    ]);
    const words = await refusal(withWeights(timm, both));
    expect(words).toContain(
      '2 models side by side, under the prefixes "model." (32 tensors) and "ema_model.module." (32 tensors)',
    );
    expect(words).toContain('Save one of them by itself');
  });

  test('one inside the other’s prefix are named in the same way', async () => {
    for (const source of [hf, timm]) {
      const both = new Map([
        ...renamed(source.tensors, (name) => `model.${name}`),
        ...renamed(source.tensors, (name) => `model.ema.${name}`),
      ]);
      const count = source.tensors.size;
      const words = await refusal(withWeights(source, both));
      expect(words).toContain(
        `under the prefixes "model." (${count} tensors) and "model.ema." (${count} tensors)`,
      );
      expect(words).toContain('k.startswith("model.") and not k.startswith("model.ema.")}');
    }
  });

  test('with less than a model beside it is taken off all the same', async () => {
    const part = new Map([
      ...renamed(timm.tensors, (name) => `model.${name}`),
      ...renamed(timm.tensors, (name) => (name.startsWith('blocks.') ? `model.teacher.${name}` : null)),
    ]);
    const model = unwrap(await opened(withWeights(timm, part)));
    expect(model.summary.notes[0]).toContain('"model."');
    await assertLogits(model, timm.expected);
  });

  test('a model beside a copy under a prefix is the one without it; the copy is named', async () => {
    const both = new Map([...timm.tensors, ...renamed(timm.tensors, (name) => `ema.${name}`)]);
    const model = unwrap(await opened(withWeights(timm, both)));
    expect(model.summary.notes.join(' ')).toContain('32 tensors are not used');
    await assertLogits(model, timm.expected);
  });

  test('a wrapped model of another kind stays refused by name', async () => {
    const swin = new Map([
      ...renamed(timm.tensors, (name) => `model.${name}`),
      ...renamed(timm.tensors, (name) =>
        name === 'norm.weight' ? 'model.blocks.0.attn.q_norm.weight' : null,
      ),
    ]);
    expect(await refusal(withWeights(timm, swin))).toContain('qk-norm');
  });

  test('plain names get no note', async () => {
    for (const source of [hf, timm])
      expect(unwrap(await opened(source.files)).summary.notes.join()).not.toContain('prefix');
  });
});

describe('positions for another image size than the config states', () => {
  const sized = async (size: number): Promise<Pile> => {
    const config = await json(timm.files['config.json']);
    const { img_size: size32, ...args } = config['model_args'] as Record<string, unknown>;
    expect(size32).toBe(32);
    const cfg = config['pretrained_cfg'] as Record<string, unknown>;
    return withConfig(timm.files, {
      model_args: args,
      pretrained_cfg: { ...cfg, input_size: [3, size, size] },
    });
  };

  test('timm: interpolated to the size stated, as timm does it', async () => {
    const model = unwrap(await opened(await sized(48)));
    expect(model.checkpoint.config.imageSize).toBe(48);
    expect(model.checkpoint.storedImageSize).toBe(32);
    expect(model.model.weights.get('pos_embed')?.shape).toEqual([1, 37, 32]);
    expect(model.summary.notes.join()).toContain(
      'Its positions are for 32 px and are interpolated to 48 px, as timm does it.',
    );
    const at48 = await readTensors(readerOf(path.join(casesFolder, 'tiny-timm')), 'expected-48.safetensors');
    await assertLogits(model, at48);
    const own = unwrap(await openModel(pile(await sized(48)), 'x', { imageSize: 32 }));
    await assertLogits(own, timm.expected);
    const plain = unwrap(await opened(await sized(32)));
    await assertLogits(plain, timm.expected);
  });

  test('transformers: refused, as transformers does', async () => {
    for (const image_size of [48, [48, 48]])
      expect(await refusal(await withConfig(hf.files, { image_size }))).toContain(
        'it states images of 48 px, and the positions of the weights are for 32 px, which transformers refuses as well',
      );
    expect(await refusal(await withConfig(hf.files, { image_size: [48, 32] }))).toContain(
      'Its image_size is 48 x 32',
    );
    const listed = await withConfig(hf.files, { image_size: [32, 32], patch_size: [8, 8] });
    await assertLogits(unwrap(await opened(listed)), hf.expected);
  });
});

describe('how images are prepared, where it stands elsewhere', () => {
  const halves = [0.5, 0.5, 0.5];
  const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
  const square = { width: 32, height: 32 };

  test("timm's file of one level: its images and its labels", async () => {
    const { pretrained_cfg, label_names, ...rest } = await json(timm.files['config.json']);
    const own = { interpolation: 'bilinear', crop_pct: 1, ...imageNet, labels: label_names };
    const flat = { ...rest, ...(pretrained_cfg as object), ...own, num_classes: 5 };
    const model = unwrap(await opened({ ...timm.files, 'config.json': JSON.stringify(flat) }));
    expect(model.preprocessing).toMatchObject({
      ...imageNet,
      resize: { kind: 'shortest-edge', size: 32 },
      crop: square,
      filter: 'bilinear',
    });
    expect(model.summary.labels).toEqual(label_names);
    expect(model.summary.notes.join()).not.toContain('images');
    await assertLogits(model, timm.expected);
  });

  test('timm without pretrained_cfg: as timm does for the architecture, and said', async () => {
    const model = unwrap(await opened(await withConfig(timm.files, { pretrained_cfg: undefined })));
    expect(model.preprocessing).toMatchObject({
      mean: halves,
      std: halves,
      resize: { kind: 'shortest-edge', size: 35 },
      crop: square,
      filter: 'bicubic',
    });
    expect(model.summary.notes.join()).toContain('prepared as timm does for its own vit_tiny_patch16_224');
    await assertLogits(model, timm.expected);
  });

  test("transformers' wrapper of timm: timm's description, and no file beside it", async () => {
    const wrapper = { architectures: ['TimmWrapperForImageClassification'], model_type: 'timm_wrapper' };
    const { pretrained_cfg } = await json(timm.files['config.json']);
    const wrapped = await withConfig(timm.files, {
      ...wrapper,
      pretrained_cfg: { ...(pretrained_cfg as object), ...imageNet },
    });
    const model = unwrap(
      await opened({
        ...wrapped,
        'preprocessor_config.json': JSON.stringify({ size: 32, image_mean: halves }),
      }),
    );
    expect(model.preprocessing).toMatchObject({ ...imageNet, resize: { size: 35 }, cropAt: 'half-even' });
    expect(model.summary.notes.join()).toContain('preprocessor_config.json is not used');
    await assertLogits(model, timm.expected);
  });

  test('processor_config.json of transformers 5 goes before preprocessor_config.json, and only where it has one', async () => {
    const clip = await tiny('tiny-clip');
    const other = JSON.stringify({
      image_processor_type: 'CLIPImageProcessor',
      size: { shortest_edge: 48 },
      crop_size: 32,
    });
    const inner = { mean: halves, filter: 'bilinear', resize: { size: 36 }, crop: square };
    for (const [files, expected, notes] of [
      [clip.files, inner, false],
      [{ ...clip.files, 'preprocessor_config.json': other }, inner, false],
      // transformers 4 wrote the text's half alone.
      [
        {
          ...clip.files,
          'processor_config.json': '{"processor_class":"CLIPProcessor"}',
          'preprocessor_config.json': other,
        },
        { filter: 'bicubic', resize: { size: 48 }, crop: square },
        false,
      ],
      [without(clip.files, 'processor_config.json'), { filter: 'bicubic', resize: { size: 32 } }, true],
    ] as const) {
      const model = unwrap(await opened(files));
      expect(model.preprocessing).toMatchObject(expected);
      expect(model.summary.notes.join().includes('There is no preprocessor_config.json')).toBe(notes);
      await assertLogits(model, clip.expected);
    }
  });
});

// Weights that are not part of this repository; without them these are skipped, and say so.
const shared = path.resolve(import.meta.dirname, '../../../shared/data');
const absent = !existsSync(path.join(shared, 'models')) || !existsSync(path.join(shared, 'cases'));
if (absent) console.warn('model-cases.test.ts: DeiT-Tiny is skipped, ../shared/data is not there.');

describe.skipIf(absent)("DeiT-Tiny's weights beside a config.json of one level", () => {
  const open = async (name: string): Promise<OpenModel> => {
    const file = async (at: string): Promise<Blob> => new Blob([await readFile(path.join(shared, at))]);
    const weights = await file('models/deit_tiny_patch16_224/model.safetensors');
    const config = await file(`cases/${name}/config.json`);
    return unwrap(await opened({ 'config.json': config, 'model.safetensors': weights }));
  };
  const logitsAreTimms = async (model: OpenModel): Promise<void> => {
    const file = new Blob([await readFile(path.join(shared, 'parity/deit_tiny.safetensors'))]);
    const { tensors } = unwrap(await readHeader(file, 'photos'));
    const firstTwo = async (name: string) => {
      const entry = present(tensors.get(name), name); // pixels [8, 3, 224, 224] and logits [8, 1000]
      const shape = [2, ...entry.shape.slice(1)];
      const values = decodeFloats(await readTensorBytes(file, entry), 'F32');
      return ndArray(shape, values.slice(0, sizeOf(shape)));
    };
    const few = new Map([
      ['pixel_values', await firstTwo('pixels')],
      ['logits', await firstTwo('logits')],
    ]);
    await assertLogits(model, few, { abs: 1e-3, rel: 1e-5 });
  };

  // As timm 1.0.29's create_model('local-dir:...') and resolve_model_data_config have it.
  test('the flat file of 2021 with images and a thousand labels', async () => {
    const model = await open('m-timm-flat-vit');
    expect(model.preprocessing).toMatchObject({
      ...{ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], filter: 'bilinear' },
      ...{ resize: { kind: 'shortest-edge', size: 224 }, crop: { width: 224, height: 224 } },
    });
    expect(model.summary.labels).toHaveLength(1000);
    expect(model.summary.labels[999]).toBe('class 999');
    expect(model.summary.notes.join()).not.toContain('says nothing of the images');
    await logitsAreTimms(model);
  });

  test('nothing but the architecture: its own images, no names of classes, and what timm would do is said', async () => {
    const model = await open('m-timm-nopretrained');
    expect(model.preprocessing).toMatchObject({ mean: [0.5, 0.5, 0.5], resize: { size: 248 } });
    expect(model.summary.notes.join()).toContain("it would take ImageNet's mean and a crop of 0.875");
    await logitsAreTimms(model);
  });
});

describe('as they were read before', () => {
  test('float64, no metadata, and labels that are doubled, generic, half there or out of order', async () => {
    const double = new Map(
      [...hf.tensors].map(([name, { shape, bytes }]) => [
        name,
        { dtype: 'F64', shape, bytes: f64(bytes instanceof Blob ? new Uint8Array(0) : bytes) },
      ]),
    );
    await assertLogits(unwrap(await opened(withWeights(hf, double))), hf.expected);
    const names = (labels: readonly string[]): object =>
      Object.fromEntries(labels.map((label, i) => [i, label]));
    for (const [fields, labels] of [
      [{ id2label: names(['cat', 'cat', 'dog', 'b', 'c']) }, ['cat', 'cat', 'dog', 'b', 'c']],
      [
        { id2label: names(['LABEL_0', 'LABEL_1', 'LABEL_2', 'LABEL_3', 'LABEL_4']) },
        ['LABEL_0', 'LABEL_1', 'LABEL_2', 'LABEL_3', 'LABEL_4'],
      ],
      [{ id2label: undefined }, []],
      [{ id2label: { '4': 'e', '2': 'c', '0': 'a', '1': 'b', '3': 'd' } }, ['a', 'b', 'c', 'd', 'e']],
      [
        { problem_type: 'multi_label_classification' },
        ['class 0', 'class 1', 'class 2', 'class 3', 'class 4'],
      ],
    ] as const) {
      const model = unwrap(await opened(await withConfig(hf.files, fields)));
      expect(model.summary.labels).toEqual(labels);
      await assertLogits(model, hf.expected);
    }
  });

  test.each([
    ['a head of another name', (name: string) => name.replace('classifier', 'fc')],
    ['a head in a Sequential', (name: string) => name.replace('classifier', 'classifier.1')],
  ])('%s: a new head, and a note', async (_, rename) => {
    const model = unwrap(await opened(withWeights(hf, renamed(hf.tensors, rename))));
    expect(model.checkpoint.head).toBeNull();
    expect(model.summary.notes.join(' ')).toContain('2 tensors are not used');
  });

  test('float8, int8 and values that are not finite are refused by name', async () => {
    const linear = /(query|dense)\.weight$/;
    for (const dtype of ['F8_E4M3', 'I8']) {
      const small = new Map(
        [...hf.tensors].map(
          ([name, tensor]) =>
            [
              name,
              linear.test(name)
                ? { ...tensor, dtype, bytes: new Uint8Array(tensor.shape.reduce((a, b) => a * b, 1)) }
                : tensor,
            ] as const,
        ),
      );
      expect(await refusal(withWeights(hf, small))).toContain(`stored as ${dtype}`);
    }
    const nan = new Map(hf.tensors).set('vit.layernorm.weight', {
      dtype: 'F32',
      shape: [32],
      bytes: encodeFloats(new Float32Array(32).fill(NaN), 'F32'),
    });
    expect(await refusal(withWeights(hf, nan))).toContain('not finite');
  });
});
