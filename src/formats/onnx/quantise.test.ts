// Quantised weights against what onnxruntime's own tools store and its operators compute (testdata/onnx, made
// by scripts/interop/make_quantised_vectors.py), and, of any weights, how far they come back.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertClose } from '../../engine/checks/close.ts';
import { evaluateOnnx } from './evaluate.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from './graph.ts';
import { ofInt4Linear, ofUint8Linear, roundEven, toInt4Linear, toUint8Linear } from './quantise.ts';

interface Case {
  readonly inputs: number;
  readonly outputs: number;
  readonly weight: number[];
  readonly x: number[];
  readonly uint8: { values: number[]; scales: number[]; zeros: number[]; y: number[] };
  readonly int4: { values: number[]; scales: number[]; zeros: number[]; y: number[] };
}
const file = path.resolve(import.meta.dirname, '../../../testdata/onnx/quantised.json');
const { cases } = JSON.parse(await readFile(file, 'utf8')) as { cases: Case[] };

const node = (op: string, inputs: string[], outputs: string[], attributes = {}): OnnxNode => ({
  ...{ op, domain: op === 'MatMulNBits' ? 'com.microsoft' : '', name: outputs[0]!, inputs, outputs },
  attributes: new Map(Object.entries(attributes)),
});

/** A graph of one linear without bias, computed on [rows, inputs]. */
async function computed(
  given: Case,
  nodes: readonly OnnxNode[],
  initializers: readonly OnnxTensor[],
): Promise<Float32Array> {
  const rows = given.x.length / given.inputs;
  const model: OnnxModel = {
    ...{ name: 'linear', opset: 17, producer: 'test', nodes, initializers },
    input: { name: 'x', type: 'float32', shape: ['n', given.inputs] },
    output: { name: 'y', type: 'float32', shape: ['n', given.outputs] },
  };
  return (await evaluateOnnx(model, { shape: [rows, given.inputs], data: Float32Array.from(given.x) })).data;
}

describe.each(cases.map((one) => [`${one.outputs} x ${one.inputs}`, one] as const))('%s', (_, given) => {
  const { inputs, outputs } = given;
  const weight = Float32Array.from(given.weight);
  const floats = (name: string, data: Float32Array): OnnxTensor => ({
    ...{ name, type: 'float32', shape: [data.length] },
    bytes: new Uint8Array(data.buffer),
  });

  test('uint8 is stored and computed as onnxruntime does', async () => {
    const { values, scales, zeros } = toUint8Linear(weight, outputs);
    expect([...zeros]).toEqual(given.uint8.zeros);
    expect([...scales]).toEqual(given.uint8.scales);
    expect([...values]).toEqual(given.uint8.values);
    const y = await computed(
      given,
      [
        node('DynamicQuantizeLinear', ['x'], ['x8', 'xs', 'xz']),
        node('MatMulInteger', ['x8', 'w', 'xz', 'wz'], ['sums']),
        node('Cast', ['sums'], ['whole'], { to: { kind: 'int', value: 1 } }),
        node('Mul', ['xs', 'ws'], ['step']),
        node('Mul', ['whole', 'step'], ['y']),
      ],
      [
        { name: 'w', type: 'uint8', shape: [inputs, outputs], bytes: values },
        { name: 'wz', type: 'uint8', shape: [outputs], bytes: zeros },
        floats('ws', scales),
      ],
    );
    assertClose('y', y, Float32Array.from(given.uint8.y), { abs: 1e-6, rel: 1e-6 });
  });

  test('4 bits of onnxruntime are computed as it does, and ours come back closer than them', async () => {
    const stored = {
      values: Uint8Array.from(given.int4.values),
      scales: Float32Array.from(given.int4.scales),
      zeros: Uint8Array.from(given.int4.zeros),
    };
    const int = (value: number) => ({ kind: 'int', value });
    const attributes = { K: int(inputs), N: int(outputs), bits: int(4), block_size: int(32) };
    const y = await computed(
      given,
      [node('MatMulNBits', ['x', 'w', 'ws', 'wz'], ['y'], attributes)],
      [
        {
          ...{ name: 'w', type: 'uint8', bytes: stored.values },
          shape: [outputs, stored.values.length / outputs],
        },
        floats('ws', stored.scales),
        { name: 'wz', type: 'uint8', shape: [stored.zeros.length], bytes: stored.zeros },
      ],
    );
    assertClose('y', y, Float32Array.from(given.int4.y), { abs: 2e-6, rel: 1e-5 });
    const own = toInt4Linear(weight, outputs);
    expect([own.values.length, own.scales.length, own.zeros.length]).toEqual([
      stored.values.length,
      stored.scales.length,
      stored.zeros.length,
    ]);
    const [theirs, ours] = [stored, own].map((one) => errorOf(weight, ofInt4Linear(one, inputs)));
    expect(ours).toBeLessThan(theirs ?? NaN);
  });
});

const errorOf = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, i) => sum + (value - (b[i] ?? NaN)) ** 2, 0);

describe('any weights come back', () => {
  const linears = fc
    .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 70 }))
    .chain(([outputs, inputs]) =>
      fc.tuple(
        fc.constant(outputs),
        fc.array(fc.float({ min: -8, max: 8, noNaN: true }), {
          minLength: outputs * inputs,
          maxLength: outputs * inputs,
        }),
      ),
    );

  test('in uint8 within half a step of their output, zero exactly', () => {
    fc.assert(
      fc.property(linears, ([outputs, list]) => {
        const weight = Float32Array.from(list);
        const stored = toUint8Linear(weight, outputs);
        const inputs = weight.length / outputs;
        ofUint8Linear(stored).forEach((value, at) => {
          const scale = stored.scales[Math.floor(at / inputs)]!;
          // The zero point is rounded too: at the ends of the range a value may be cut by half a step more.
          expect(Math.abs(value - weight[at]!)).toBeLessThanOrEqual(1.001 * scale + 1e-30);
          if (weight[at] === 0) expect(value).toBe(0);
        });
      }),
    );
  });

  test('in 4 bits no block further off than a step of its range for each value, zero exactly', () => {
    fc.assert(
      fc.property(linears, ([outputs, list]) => {
        const weight = Float32Array.from(list);
        const inputs = weight.length / outputs;
        const back = ofInt4Linear(toInt4Linear(weight, outputs), inputs);
        for (let o = 0; o < outputs; o++)
          for (let from = o * inputs; from < (o + 1) * inputs; from += 32) {
            const end = Math.min(from + 32, (o + 1) * inputs);
            const block = weight.subarray(from, end);
            const step = (Math.max(0, ...block) - Math.min(0, ...block)) / 15;
            const error = errorOf(block, back.subarray(from, end));
            expect(error).toBeLessThanOrEqual(1.001 * block.length * step ** 2 + 1e-30);
          }
        back.forEach((value, at) => {
          if (weight[at] === 0) expect(Math.abs(value)).toBe(0);
        });
      }),
    );
  });
});

test('halves go to the even number', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999, -2.5].map((x) => roundEven(x) + 0)).toEqual([
    0, 2, 2, 0, -2, 2, -2,
  ]);
});
