// Which weights run: those whose bits no format before had. One other bit or another normalisation is another
// run, and a tensor that cannot be read is the fault of its format alone.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Preprocessing } from '../data/preprocessing.ts';
import { autodiffOn } from '../engine/checks/node-backends.ts';
import { micro, randomModel, randomValues } from '../engine/checks/random-model.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { fail, ok, unwrap } from '../shared/result.ts';
import { headShapes, type ParamName } from '../vit/parameters.ts';
import type { ReadBack } from './export-context.ts';
import { ProofEngine } from './proof-engine.ts';
import { Prover } from './prover.ts';

const classes = 3;
const model = randomModel(micro);
const shapes = headShapes(micro, classes);
const all = new Map<ParamName, NdArray>([
  ...model.weights,
  [
    'head.weight',
    ndArray(
      shapes.weight,
      randomValues(
        7,
        shapes.weight.reduce((a, b) => a * b, 1),
      ),
    ),
  ],
  ['head.bias', ndArray(shapes.bias, randomValues(8, classes))],
]);
const preprocessing: Preprocessing = {
  ...{ resize: { kind: 'exact', width: 16, height: 16 }, crop: null, cropAt: 'floor' },
  ...{ filter: 'bilinear', rescale: 1 / 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
};
const images = {
  labels: Int32Array.from([0, 1]),
  slice: (begin: number, end: number) => ({
    kind: 'normalised' as const,
    data: randomValues(5, 2 * 3 * 16 * 16).subarray(begin * 3 * 16 * 16, end * 3 * 16 * 16),
  }),
};

/** The model with copies of its tensors, one of which may be another. */
const readBack = (changed: ReadonlyMap<ParamName, NdArray> = new Map(), of = preprocessing): ReadBack => ({
  config: micro,
  preprocessing: of,
  read: (name) => {
    const { shape, data } = changed.get(name) ?? all.get(name)!;
    return Promise.resolve(ok(ndArray(shape, data.slice())));
  },
});

/** A tensor whose first value has another last bit. */
function nudged(name: ParamName): ReadonlyMap<ParamName, NdArray> {
  const { shape, data } = all.get(name)!;
  const other = data.slice();
  new Uint32Array(other.buffer)[0]! ^= 1;
  return new Map([[name, ndArray(shape, other)]]);
}

describe('weights', () => {
  let runs: ReadonlyMap<ParamName, NdArray>[];
  let prover: Prover;
  beforeEach(() => {
    runs = [];
    const engine = new ProofEngine(async () => {
      const made = await autodiffOn('cpu')();
      const prepare = made.prepare.bind(made);
      made.prepare = (given, ...rest) => {
        runs.push(given.weights);
        return prepare(given, ...rest);
      };
      return ok(made);
    });
    const sample = { images, logits: ndArray([2, classes], new Float32Array(2 * classes)), of: 2 };
    prover = new Prover(model.weights, sample, engine, 2, () => Promise.resolve());
  });
  const sameAs = async (...given: Parameters<Prover['prove']>) =>
    unwrap(await prover.prove(...given)).sameWeightsAs;

  test('that are the same run once, whatever their type is called', async () => {
    expect(await sameAs('hf', readBack(), 'F32')).toBeNull();
    expect(await sameAs('timm', readBack(), 'F32')).toBe('hf');
    expect(await sameAs('onnx', readBack(), 'F16')).toBe('hf');
    expect(runs).toHaveLength(1);
  });

  test.each(['blocks.1.fc2.weight', 'blocks.0.norm1.bias', 'head.bias', 'pos_embed'])(
    'with one other bit in %s run by themselves',
    async (name) => {
      expect(await sameAs('hf', readBack(), 'F32')).toBeNull();
      expect(await sameAs('timm', readBack(nudged(name)), 'F32')).toBeNull();
      expect(await sameAs('hf-v5', readBack(nudged(name)), 'F32')).toBe('timm');
      expect(runs).toHaveLength(2);
    },
  );

  test('under another normalisation run by themselves', async () => {
    expect(await sameAs('hf', readBack(), 'F32')).toBeNull();
    const other: Preprocessing = { ...preprocessing, std: [0.5, 0.5, 0.25] };
    expect(await sameAs('timm', readBack(new Map(), other), 'F32')).toBeNull();
    expect(runs).toHaveLength(2);
  });

  test('that are in memory anyway are not held a second time', async () => {
    await sameAs('hf', readBack(nudged('blocks.0.q.weight')), 'F32');
    const copies = [...runs[0]!].filter(([name, values]) => values !== model.weights.get(name));
    expect(copies.map(([name]) => name)).toEqual(['blocks.0.q.weight']);
  });

  test('that cannot be read are the fault of their format', async () => {
    const broken = fail({ kind: 'bad-file', name: 'x', why: 'other-format', detail: 'x' } as const);
    const read = await prover.prove('onnx', { ...readBack(), read: () => Promise.resolve(broken) }, 'F32');
    expect(read).toEqual(broken);
    expect(await sameAs('hf', readBack(), 'F32')).toBeNull();
  });
});
