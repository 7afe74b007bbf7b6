// Checkpoints in every naming that Graft reads, made from the micro ViT of the reference vectors by renaming;
// what is refused and by which words; and that a written file differs from its source only where something
// was trained.
import { beforeAll, describe, expect, test } from 'vitest';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { encodeFloats } from '../formats/float-types.ts';
import { writeHfConfig } from './transformers/config.ts';
import { parseModelConfig } from './libraries.ts';
import type { ModelConfigFile } from './model-config.ts';
import { readHeader, readTensorBytes, writeSafetensors, type TensorToWrite } from '../formats/safetensors.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { type Result, unwrap } from '../shared/result.ts';
import { loadHead, loadModel, readCheckpoint, unexpectedTensors } from './checkpoint.ts';
import type { Checkpoint } from './family.ts';
import { hfConfigOf } from './transformers/classes.ts';
import { fineTunedTensors } from './write-checkpoint.ts';
import type { VitModel } from '../vit/parameters.ts';

// The default folder, whatever GRAFT_REFERENCE says: the names below are those of these two files.
const folder = path.resolve(import.meta.dirname, '../../testdata/reference');
type Tensors = Map<string, TensorToWrite>;

async function tensorsOf(file: Blob): Promise<Tensors> {
  const tensors: Tensors = new Map();
  for (const [name, entry] of unwrap(await readHeader(file, 'x')).tensors)
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, bytes: await readTensorBytes(file, entry) });
  return tensors;
}

async function open(
  tensors: Tensors,
  config: ModelConfigFile,
): Promise<Result<{ checkpoint: Checkpoint; model: VitModel; file: Blob }>> {
  const file = writeSafetensors(tensors);
  const header = unwrap(await readHeader(file, 'x'));
  const checkpoint = readCheckpoint(header, config);
  if (!checkpoint.ok) return checkpoint;
  const model = await loadModel(file, header, checkpoint.value);
  return model.ok ? { ok: true, value: { checkpoint: checkpoint.value, model: model.value, file } } : model;
}

let hf: { tensors: Tensors; config: ModelConfigFile };
let timm: { tensors: Tensors; config: ModelConfigFile };
let expected: VitModel;

beforeAll(async () => {
  const read = async (name: string): Promise<typeof hf> => ({
    tensors: await tensorsOf(new Blob([await readFile(path.join(folder, name, 'model.safetensors'))])),
    config: unwrap(
      parseModelConfig(await readFile(path.join(folder, name, 'config.json'), 'utf8'), 'config.json'),
    ),
  });
  [hf, timm] = [await read('micro_vit_hf'), await read('micro_vit_timm')];
  expected = unwrap(await open(hf.tensors, hf.config)).model;
});

const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));

const toV5 = (name: string): string =>
  name
    .replace('encoder.layer.', 'layers.')
    .replace(
      /attention\.attention\.(query|key|value)/,
      (_, part: string) => `attention.${part.charAt(0)}_proj`,
    )
    .replace('attention.output.dense', 'attention.o_proj')
    .replace('intermediate.dense', 'mlp.fc1')
    .replace(/(layers\.\d+)\.output\.dense/, '$1.mlp.fc2');

describe('names', () => {
  const dialects: [string, string, () => Tensors, () => ModelConfigFile][] = [
    ['Hugging Face', 'hf', () => hf.tensors, () => hf.config],
    ['transformers 5', 'hf-v5', () => renamed(hf.tensors, toV5), () => hf.config],
    ['without prefix', 'hf', () => renamed(hf.tensors, (name) => name.replace('vit.', '')), () => hf.config],
    [
      'transformers 5 without prefix',
      'hf-v5',
      () => renamed(hf.tensors, (name) => toV5(name).replace('vit.', '')),
      () => hf.config,
    ],
    [
      'DeiT prefix',
      'hf',
      () => renamed(hf.tensors, (name) => name.replace('vit.', 'deit.')),
      () => hf.config,
    ],
    [
      'a mix',
      'hf',
      () => renamed(hf.tensors, (name) => (name.includes('layer.1') ? toV5(name) : name)),
      () => hf.config,
    ],
    ['timm', 'timm', () => timm.tensors, () => timm.config],
  ];
  test.each(dialects)('%s', async (_, id, tensors, config) => {
    const { checkpoint, model } = unwrap(await open(tensors(), config()));
    expect(checkpoint.dialect.id).toBe(id);
    expect(model.weights).toEqual(expected.weights);
    expect(model.config).toEqual(expected.config);
    expect(unexpectedTensors(checkpoint)).toEqual([]);
    expect(checkpoint.head?.classes).toBe(5);
  });

  test('class names that do not fit the classifier are left out, with a note', async () => {
    const named = (labels: string[]) => open(hf.tensors, { ...hf.config, labels });
    const two = unwrap(await named(['a', 'b'])).checkpoint;
    expect(two.head).toEqual({ classes: 5, labels: [] });
    expect(two.notes).toEqual([
      'Its config names 2 classes and its classifier has 5: the names are not used.',
    ]);
    for (const labels of [[], ['a', 'b', 'c', 'd', 'e']]) {
      const { head, notes } = unwrap(await named(labels)).checkpoint;
      expect([head?.labels, notes]).toEqual([labels, []]);
    }
  });

  test.each(['F16', 'BF16'] as const)('%s weights are read as float32', async (dtype) => {
    const tensors: Tensors = new Map();
    for (const [name, { shape, bytes }] of hf.tensors) {
      const values = new Float32Array((bytes as Uint8Array).slice().buffer);
      tensors.set(name, { dtype, shape, bytes: encodeFloats(values, dtype) });
    }
    const { model } = unwrap(await open(tensors, hf.config));
    for (const [name, { data }] of model.weights) {
      const exact = expected.weights.get(name)!.data;
      // Half a unit in the last place: 2^-11 relative for float16, 2^-8 for bfloat16.
      const unit = dtype === 'F16' ? 2 ** -11 : 2 ** -8;
      data.forEach((value, i) => {
        expect(Math.abs(value - exact[i]!)).toBeLessThanOrEqual(unit * Math.abs(exact[i]!) + 2 ** -25);
      });
    }
  });

  test('pooler and mask token are passed over, anything else is named', async () => {
    const extra: TensorToWrite = { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) };
    const tensors = new Map([
      ...hf.tensors,
      ['vit.pooler.dense.weight', extra],
      ['vit.embeddings.mask_token', extra],
      ['vit.surprise', extra],
    ]);
    expect(unexpectedTensors(unwrap(await open(tensors, hf.config)).checkpoint)).toEqual(['vit.surprise']);
  });

  test('a file without a head opens; the head will be new', async () => {
    const tensors = new Map([...hf.tensors].filter(([name]) => !name.startsWith('classifier')));
    expect(unwrap(await open(tensors, hf.config)).checkpoint.head).toBeNull();
  });
});

describe('refused, by name', () => {
  const refusal = async (tensors: Tensors, config: ModelConfigFile): Promise<string> => {
    const opened = await open(tensors, config);
    return opened.ok ? 'accepted' : faultSentence(opened.fault);
  };
  const without = (pattern: RegExp): Tensors =>
    new Map([...hf.tensors].filter(([name]) => !pattern.test(name)));
  const withTensor = (name: string): Tensors =>
    new Map([...hf.tensors, [name, { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }]]);

  test('missing backbone tensors, up to five of them', async () => {
    expect(await refusal(without(/layer\.1\.output\.dense\.bias/), hf.config)).toContain(
      'Missing: vit.encoder.layer.1.output.dense.bias',
    );
    expect(await refusal(without(/layer\.1\.(output|intermediate|layernorm)/), hf.config)).toContain(
      'and 3 more',
    );
    expect(await refusal(without(/position_embeddings/), hf.config)).toContain(
      'vit.embeddings.position_embeddings',
    );
  });

  test.each([
    ['layers.0.blocks.0.attn.relative_position_bias_table', 'Swin'],
    ['beit.encoder.layer.0.lambda_1', 'BEiT'],
    ['encoder.layer.0.mlp.weights_in.weight', 'SwiGLU'],
    ['blocks.0.attn.q_norm.weight', 'qk-norm'],
    ['rope_embeddings.inv_freq', 'rotary'],
    ['patch_embed.backbone.stem.conv.weight', 'hybrid'],
    ['visual.transformer.resblocks.0.ln_1.weight', 'OpenCLIP'],
    ['bert.embeddings.word_embeddings.weight', 'language model'],
  ])('%s: %s', async (name, word) => {
    expect(await refusal(withTensor(name), hf.config)).toContain(word);
  });

  test('contradictions between config.json and the shapes', async () => {
    expect(await refusal(hf.tensors, { ...hf.config, dim: 64 })).toContain('dim 64, the tensors have 32');
    expect(await refusal(hf.tensors, { ...hf.config, depth: 3 })).toContain('depth 3');
    expect(await refusal(hf.tensors, { ...hf.config, heads: 5 })).toContain('5 heads do not divide');
    expect(await refusal(hf.tensors, { ...hf.config, heads: null })).toContain('attention heads');
    expect(await refusal(hf.tensors, { ...hf.config, activation: 'silu' })).toContain('silu');
  });

  test('a head that reads what is not computed', async () => {
    expect(await refusal(timm.tensors, { ...timm.config, globalPool: 'avgmax' })).toContain('avgmax pooling');
  });

  test('weights that are not finite and types that are no floats', async () => {
    const name = 'vit.layernorm.weight';
    const shape = hf.tensors.get(name)!.shape;
    const nan = new Map([
      ...hf.tensors,
      [name, { dtype: 'F32', shape, bytes: encodeFloats(new Float32Array(32).fill(NaN), 'F32') }],
    ]);
    expect(await refusal(nan, hf.config)).toContain('not finite');
    const integers = new Map([...hf.tensors, [name, { dtype: 'I64', shape, bytes: new Uint8Array(8 * 32) }]]);
    expect(await refusal(integers, hf.config)).toContain('I64');
  });

  test('a config.json that is none', () => {
    expect(parseModelConfig('[1]', 'config.json').ok).toBe(false);
    expect(parseModelConfig('{"a":1}', 'config.json').ok).toBe(false);
    expect(parseModelConfig('{', 'config.json').ok).toBe(false);
    const deep = parseModelConfig(`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 'config.json');
    expect(deep.ok ? '' : faultSentence(deep.fault)).toContain('nested more than 64 deep');
  });
});

describe('written', () => {
  const changed = (): Map<string, NdArray> => {
    const weight = expected.weights.get('blocks.1.v.weight')!;
    return new Map([
      [
        'blocks.1.v.weight',
        ndArray(
          weight.shape,
          weight.data.map((value) => value + 0.25),
        ),
      ],
      [
        'head.weight',
        ndArray(
          [3, 32],
          Float32Array.from({ length: 96 }, (_, i) => i / 96),
        ),
      ],
      ['head.bias', ndArray([3], Float32Array.of(1, 2, 3))],
    ]);
  };

  test.each([
    [
      'Hugging Face',
      (): typeof hf => hf,
      'vit.encoder.layer.1.attention.attention.value.weight',
      'classifier',
    ],
    ['timm', (): typeof hf => timm, 'blocks.1.attn.qkv.weight', 'head'],
  ] as const)('%s: only what was trained differs', async (_, source, adapted, head) => {
    const { tensors, config } = source();
    const { checkpoint, file } = unwrap(await open(tensors, config));
    const header = unwrap(await readHeader(file, 'x'));
    const out = writeSafetensors(await fineTunedTensors(file, header, checkpoint, changed()));
    const after = await tensorsOf(out);
    expect([...after.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { bytes, dtype }] of tensors) {
      const found = after.get(name)!;
      expect(found.dtype).toBe(dtype);
      if (name === adapted || name.startsWith(head)) expect(found.bytes).not.toEqual(bytes);
      else expect(found.bytes).toEqual(bytes);
    }
    const again = unwrap(await open(after, { ...config, labels: ['a', 'b', 'c'] }));
    for (const [name, array] of expected.weights)
      expect(again.model.weights.get(name)).toEqual(changed().get(name) ?? array);
    const reread = unwrap(
      await loadHead(again.file, unwrap(await readHeader(again.file, 'x')), again.checkpoint),
    );
    expect(reread?.weight).toEqual(changed().get('head.weight'));
    expect(again.checkpoint.head?.labels).toEqual(['a', 'b', 'c']);
  });

  test('config.json has both label maps with text keys, any label, and no old count', async () => {
    const labels = ['__proto__', 'a "quoted" one', 'ü'];
    const { checkpoint } = unwrap(await open(hf.tensors, hf.config));
    const form = hfConfigOf(checkpoint, hf.config);
    const text = typeof form === 'string' ? form : writeHfConfig(form, labels, 'float16');
    const json = JSON.parse(text) as Record<string, unknown>;
    expect(Object.entries(json['id2label'] as object)).toEqual(
      labels.map((label, id) => [String(id), label]),
    );
    expect(Object.entries(json['label2id'] as object)).toEqual(labels.map((label, id) => [label, id]));
    expect(json).toMatchObject({
      dtype: 'float16',
      architectures: ['ViTForImageClassification'],
      hidden_size: 32,
    });
  });
});
