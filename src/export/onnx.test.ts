// ONNX of every kind of plain ViT: the file that is read back is the graph that was written; computed
// operator by operator it gives the logits of the reference vectors and of the engine; weights above the
// limit lie in a file beside; damage is named. That onnxruntime computes the same is checked by
// scripts/interop/verify_exports.py.
import { describe, expect, test } from 'vitest';
import { evaluateOnnx, erf } from '../formats/onnx/evaluate.ts';
import type { OnnxModel } from '../formats/onnx/graph.ts';
import { readOnnx } from '../formats/onnx/read-onnx.ts';
import { writeOnnx } from '../formats/onnx/write-onnx.ts';
import { assertClose } from '../engine/checks/close.ts';
import { autodiffOn, readReference } from '../engine/checks/node-backends.ts';
import { readMicroModel, readTensors, tensorOf } from '../engine/checks/reference.ts';
import { micro, randomModel, randomValues } from '../engine/checks/random-model.ts';
import { ndArray, sizeOf, type NdArray } from '../shared/array.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import { vitOnnx as writtenOnnx, weightsOfOnnx } from './onnx-weights.ts';
import { backboneShapes, headShapes, type ParamName, type VitModel } from '../vit/parameters.ts';
import type { VitConfig } from '../vit/vit-config.ts';
import { ok, unwrap, type Result } from '../shared/result.ts';
import type { GraphForm } from './onnx-graph.ts';

const classes = 5;
const variants: [string, Partial<VitConfig>][] = [
  ['the original', {}],
  ['a distilled DeiT', { prefixTokens: 2, pool: 'cls+dist', meanFrom: 2 }],
  ['DINOv2 with registers', { prefixTokens: 5, pool: 'cls+mean', meanFrom: 5, layerScale: true }],
  ['CLIP', { preNorm: true, activation: 'quick-gelu', pool: 'mean', finalNorm: 'none', layerNormEps: 1e-5 }],
  ['SigLIP', { prefixTokens: 0, meanFrom: 0, pool: 'mean', activation: 'gelu-tanh' }],
  ["timm's average pooling", { pool: 'mean', finalNorm: 'pooled' }],
];

function withHead(model: VitModel): Map<ParamName, NdArray> {
  const { weight, bias } = headShapes(model.config, classes);
  return new Map([
    ...model.weights,
    ['head.weight', ndArray(weight, randomValues(71, sizeOf(weight)))],
    ['head.bias', ndArray(bias, randomValues(72, sizeOf(bias)))],
  ]);
}

const vitOnnx = (
  config: VitConfig,
  weights: ReadonlyMap<ParamName, NdArray>,
  form: GraphForm,
  producer: string,
): Promise<OnnxModel> => {
  const read = (name: ParamName) => Promise.resolve(weights.get(name)!);
  return writtenOnnx(config, weights.get('head.bias')!.data.length, read, form, producer);
};

/** All weights of a file, where every one can be read. */
async function modelOfOnnx(...given: Parameters<typeof weightsOfOnnx>): Promise<Result<VitModel>> {
  const found = await weightsOfOnnx(...given);
  if (!found.ok) return found;
  const { config, read } = found.value;
  const weights = new Map<ParamName, NdArray>();
  for (const name of [...backboneShapes(config).keys(), 'head.weight', 'head.bias']) {
    const tensor = await read(name);
    if (!tensor.ok) return tensor;
    weights.set(name, tensor.value);
  }
  return ok({ config, weights });
}

async function reread(given: OnnxModel | Promise<OnnxModel>, limit?: number): Promise<OnnxModel> {
  const { model: file, external } = writeOnnx(await given, 'model.onnx_data', limit);
  return unwrap(await readOnnx(file, external === null ? null : { name: 'model.onnx_data', blob: external }));
}

describe('the graph', () => {
  test('gives the logits of the reference vectors, batch free', async () => {
    const model = await readMicroModel(readReference);
    const weights = new Map(model.weights);
    const merged = await readTensors(readReference, 'merged_zero.safetensors');
    const images = tensorOf(merged, 'images');
    // The merged model in timm's names, fused.
    for (const block of [0, 1]) {
      const qkv = tensorOf(merged, `timm.blocks.${block}.attn.qkv.weight`);
      const [, dim = 0] = qkv.shape;
      ['q', 'k', 'v'].forEach((part, third) => {
        const rows = qkv.data.slice(third * dim * dim, (third + 1) * dim * dim);
        weights.set(`blocks.${block}.${part}.weight`, ndArray([dim, dim], rows));
      });
      for (const [ours, theirs] of [
        ['proj', 'attn.proj'],
        ['fc1', 'mlp.fc1'],
        ['fc2', 'mlp.fc2'],
      ] as const)
        weights.set(
          `blocks.${block}.${ours}.weight`,
          tensorOf(merged, `timm.blocks.${block}.${theirs}.weight`),
        );
    }
    weights.set('head.weight', tensorOf(merged, 'timm.head.weight'));
    weights.set('head.bias', tensorOf(merged, 'timm.head.bias'));
    const onnx = await reread(vitOnnx(model.config, weights, 'float32', 'test'));
    const logits = await evaluateOnnx(onnx, images);
    assertClose('logits', logits.data, tensorOf(merged, 'logits.merged').data, { abs: 1e-5, rel: 1e-5 });
    const half = await evaluateOnnx(await reread(vitOnnx(model.config, weights, 'float16', 'test')), images);
    assertClose('half', half.data, tensorOf(merged, 'logits.merged').data, { abs: 2e-2, rel: 0 });
    expect(half.data).not.toEqual(logits.data);
  });

  test.each(variants)('of %s gives the engine’s logits', async (_, changes) => {
    const model = randomModel({ ...micro, ...changes });
    const weights = withHead(model);
    const engine = await autodiffOn('cpu')();
    const head = { weight: weights.get('head.weight')!, bias: weights.get('head.bias')! };
    const normalisation = { rescale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
    unwrap(
      await engine.prepare(model, { modules: [], head, moments: new Map() }, normalisation, {
        batch: 3,
        classes,
      }),
    );
    const pixels = ndArray([3, 3, 16, 16], randomValues(5, 3 * 3 * 16 * 16));
    const expected = unwrap(await engine.evaluate({ kind: 'normalised', data: pixels.data }, new Map()));
    engine.dispose();
    const onnx = await reread(vitOnnx(model.config, weights, 'float32', 'test'));
    expect(onnx.nodes.some(({ op }) => op === 'Erf')).toBe(model.config.activation === 'gelu');
    const logits = await evaluateOnnx(onnx, pixels);
    assertClose('logits', logits.data, expected.data, { abs: 2e-5, rel: 2e-5 });
  });
});

describe('the file', () => {
  const model = randomModel(micro);
  const weights = withHead(model);

  test.each(['float32', 'float16'] as const)('gives the %s weights back', async (type) => {
    const file = await reread(vitOnnx(model.config, weights, type, 'test'));
    const { weights: read } = unwrap(await modelOfOnnx(file, model.config, classes, type));
    expect([...read.keys()].sort()).toEqual([...weights.keys()].sort());
    for (const [name, { shape, data }] of weights) {
      expect(read.get(name)!.shape).toEqual(shape);
      if (type === 'float32') expect(read.get(name)!.data).toEqual(data);
      else assertClose(name, read.get(name)!.data, data, { abs: 1e-6, rel: 2 ** -11 });
    }
  });

  test('holds layer scale inside the linears before it', async () => {
    const scaled = randomModel({ ...micro, layerScale: true });
    const all = withHead(scaled);
    const file = await reread(vitOnnx(scaled.config, all, 'float32', 'test'));
    const read = unwrap(await modelOfOnnx(file, scaled.config, classes, 'float32'));
    expect(read.config).toEqual({ ...scaled.config, layerScale: false });
    expect([...read.weights.keys()].filter((name) => name.includes('.ls'))).toEqual([]);
    const at = (name: string): Float32Array => all.get(name)!.data;
    const [fc2, ls2] = [at('blocks.1.fc2.weight'), at('blocks.1.ls2')];
    const wide = fc2.length / ls2.length;
    expect(read.weights.get('blocks.1.fc2.weight')!.data).toEqual(
      fc2.map((value, i) => value * ls2[Math.floor(i / wide)]!),
    );
    expect(read.weights.get('blocks.0.proj.bias')!.data).toEqual(
      at('blocks.0.proj.bias').map((value, i) => value * at('blocks.0.ls1')[i]!),
    );
    expect(read.weights.get('blocks.0.fc1.weight')!.data).toEqual(at('blocks.0.fc1.weight'));
  });

  test('keeps weights above the limit in a file beside it, page by page', async () => {
    const onnx = await vitOnnx(model.config, weights, 'float32', 'test');
    const inside = writeOnnx(onnx, 'model.onnx_data');
    expect(inside.external).toBeNull();
    const outside = writeOnnx(onnx, 'model.onnx_data', 10_000);
    expect(outside.model.size).toBeLessThan(inside.model.size);
    expect(outside.external!.size % 4096).toBe(0);
    const read = unwrap(await readOnnx(outside.model, { name: 'model.onnx_data', blob: outside.external! }));
    expect(unwrap(await modelOfOnnx(read, model.config, classes, 'float32'))).toEqual(
      unwrap(await modelOfOnnx(await reread(onnx), model.config, classes, 'float32')),
    );
    const without = await readOnnx(outside.model, null);
    expect(without.ok ? '' : faultSentence(without.fault)).toContain('model.onnx_data, which is not there');
  });

  test.each(['uint8', 'int4'] as const)(
    'in %s computes what its weights say, and gives them back',
    async (form) => {
      const file = await reread(vitOnnx(model.config, weights, form, 'test'));
      const domains = file.nodes.filter(({ domain }) => domain !== '').map(({ op }) => op);
      expect([file.opset, new Set(domains)]).toEqual([17, new Set(form === 'int4' ? ['MatMulNBits'] : [])]);
      const read = unwrap(await modelOfOnnx(file, model.config, classes, form));
      for (const [name, { shape, data }] of weights) {
        const found = read.weights.get(name)!;
        expect(found.shape).toEqual(shape);
        const isSmall = /^blocks.*\.(q|k|v|proj|fc1|fc2)\.weight$/.test(name);
        if (!isSmall) expect(found.data).toEqual(data);
        else {
          const most = data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          // In 4 bits the ends of a block's range may be cut.
          assertClose(name, found.data, data, { abs: most / (form === 'uint8' ? 120 : 4), rel: 0 });
          expect(found.data).not.toEqual(data);
        }
      }
      const pixels = ndArray([1, 3, 16, 16], randomValues(5, 3 * 16 * 16));
      const plain = vitOnnx(read.config, read.weights, 'float32', 'test');
      const [small, same] = [
        await evaluateOnnx(file, pixels),
        await evaluateOnnx(await reread(plain), pixels),
      ];
      // 4 bits are weights alone; 8-bit products round their inputs as well.
      assertClose('logits', small.data, same.data, { abs: form === 'int4' ? 1e-5 : 0.1, rel: 0 });
    },
  );

  test('says which operators it needs, and no others are read', async () => {
    const onnx = await vitOnnx(model.config, weights, 'int4', 'test');
    const { model: file } = writeOnnx(onnx, 'x');
    const bytes = new Uint8Array(await file.arrayBuffer());
    const text = new TextDecoder('latin1').decode(bytes);
    const refused = async (changed: Uint8Array): Promise<string> => {
      const read = await readOnnx(new Blob([changed as BlobPart]), null);
      return read.ok ? 'accepted' : faultSentence(read.fault);
    };
    expect(await refused(bytes)).toBe('accepted');
    const last = text.lastIndexOf('com.microsoft');
    const other = bytes.slice();
    other.set(new TextEncoder().encode('com.macrosoft'), last);
    expect(await refused(other)).toContain('com.macrosoft');
    const version = bytes.slice();
    version[version.length - 1] = 2;
    expect(await refused(version)).toContain('version 2 of com.microsoft');
    // The import alone taken away: its field, 2 + 15 + 2 bytes, is the last of the file.
    expect(await refused(bytes.slice(0, last - 4))).toContain('not those that it uses');
    const read = unwrap(await readOnnx(file, null));
    const zeros = read.initializers.filter(({ name }) => !name.endsWith('fc1.weight.scales'));
    const cut = await modelOfOnnx({ ...read, initializers: zeros }, model.config, classes, 'int4');
    expect(cut.ok ? '' : faultSentence(cut.fault)).toContain('tensors');
    const float = await modelOfOnnx(read, model.config, classes, 'float32');
    expect(float.ok ? '' : faultSentence(float.fault)).toContain('is not MatMul');
  });

  test('that is another graph, lacks a weight or is cut off is refused', async () => {
    const onnx = await vitOnnx(model.config, weights, 'float32', 'test');
    const refusal = async (changed: OnnxModel): Promise<string> => {
      const read = await modelOfOnnx(await reread(changed), model.config, classes, 'float32');
      return read.ok ? 'accepted' : faultSentence(read.fault);
    };
    expect(await refusal(onnx)).toBe('accepted');
    const [first, ...rest] = onnx.initializers;
    expect(await refusal({ ...onnx, initializers: rest })).toContain('tensors');
    expect(await refusal({ ...onnx, opset: 13 })).toContain('version 13');
    const swapped = onnx.nodes.map((node) => (node.op === 'Erf' ? { ...node, op: 'Tanh' } : node));
    expect(await refusal({ ...onnx, nodes: swapped })).toContain('is not Erf');
    const infinite = { ...first!, bytes: new Blob([new Float32Array(sizeOf(first!.shape)).fill(Infinity)]) };
    expect(await refusal({ ...onnx, initializers: [infinite, ...rest] })).toContain('cannot hold');
    const { model: file } = writeOnnx(onnx, 'x');
    for (const size of [0, 10, 200, file.size - 1])
      expect((await readOnnx(file.slice(0, size), null)).ok).toBe(false);
  });
});

test('erf agrees with tables', () => {
  // Abramowitz and Stegun, table 7.1.
  const table = [
    [0.5, 0.5204998778],
    [1, 0.8427007929],
    [2, 0.995322265],
    [-1.5, -0.9661051465],
    [3, 0.9999779095],
  ] as const;
  for (const [x, value] of table) expect(erf(x)).toBeCloseTo(value, 9);
});
