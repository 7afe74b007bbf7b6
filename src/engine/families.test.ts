// Every family against the library that made it: logits on the cpu and wasm backends, the gradients that
// reach the head and a branch as PyTorch computes them, another image size, and the way out and in again.
import { describe, expect, test } from 'vitest';
import { headLogits } from '../train/linear-probe.ts';
import { allOpen, type Adapter, type AdaptedModule } from '../dmlora/adapter.ts';
import { writeHfConfig } from '../checkpoints/transformers/config.ts';
import { parseModelConfig } from '../checkpoints/libraries.ts';
import { usualPreprocessing } from '../checkpoints/usual-preprocessing.ts';
import { writeTimmConfig } from '../checkpoints/timm/config.ts';
import { jsonText } from '../formats/json.ts';
import { writeSafetensors } from '../formats/safetensors.ts';
import { openTensorFile } from '../formats/tensor-files.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import {
  loadHead,
  loadModel,
  readCheckpoint,
  unexpectedTensors,
  withImageSize,
} from '../checkpoints/checkpoint.ts';
import { backboneType, fineTunedTensors } from '../checkpoints/write-checkpoint.ts';
import { timmForm } from '../checkpoints/timm/form.ts';
import { hfConfigOf } from '../checkpoints/transformers/classes.ts';
import { assertClose } from './checks/close.ts';
import { familyNames, readFamily } from './checks/families.ts';
import { autodiffOn } from './checks/node-backends.ts';
import { identityNormalisation, tensorOf } from './checks/reference.ts';
import { unwrap } from '../shared/result.ts';

/**
 * A branch whose gradients are those of the weight itself: with A the identity and B zero, d loss / dB is d
 * loss / dW (method.md: y = x W' + (x A') B').
 */
function identityBranch(name: string, out: number, input: number): AdaptedModule {
  const identity = new Float32Array(input * input);
  for (let i = 0; i < input; i++) identity[i * input + i] = 1;
  const A = ndArray([input, input], identity);
  return {
    name,
    scalar: 1,
    branches: [{ index: 0, A, B: ndArray([out, input], new Float32Array(out * input)) }],
  };
}

/** The gradient of a head of two parts by the parts as a file has them: each is twice the head's half. */
function asStored(gradient: NdArray, heads: number): Float32Array {
  return gradient.data.map((value) => value / heads);
}

const typeWords = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' } as const;

test('there are families to check', () => {
  expect(familyNames.length).toBeGreaterThan(7);
});

describe.each(familyNames)('%s', (name) => {
  test('at another image size the logits are those of its library, which interpolates the positions', async () => {
    const { file, checkpoint, head, expected } = await readFamily(name);
    const pixels = tensorOf(expected, 'resized.pixel_values');
    const sized = unwrap(withImageSize(checkpoint, pixels.shape[2] ?? 0));
    const model = unwrap(await loadModel(file.blob, file.header, sized));
    const engine = await autodiffOn('wasm')();
    try {
      const plain = { modules: [], head, moments: new Map() };
      const shapes = { batch: 1, classes: head.bias.data.length };
      unwrap(await engine.prepare(model, plain, identityNormalisation, shapes));
      const logits = unwrap(await engine.evaluate({ kind: 'normalised', data: pixels.data }, allOpen));
      assertClose('logits', logits.data, tensorOf(expected, 'resized.logits').data, { abs: 1e-5, rel: 1e-5 });
    } finally {
      engine.dispose();
    }
  });

  // The models are made with these two as their library has them by itself, and its files state them.
  test('what config.json leaves out is what its library assumes', async () => {
    const { config } = await readFamily(name);
    const short = jsonText(config.json).replace(/"(hidden_act|layer_norm_eps)": ?("\w+"|[-\w.]+),/g, '');
    const { activation, layerNormEps } = unwrap(parseModelConfig(short, 'config.json'));
    expect({ activation, layerNormEps }).toEqual({
      activation: config.activation,
      layerNormEps: config.layerNormEps,
    });
  });

  test('written and opened again it has the same weights, and the head that it was given', async () => {
    const { file, checkpoint, config, head, expected } = await readFamily(name);
    const side = tensorOf(expected, 'resized.pixel_values').shape[2] ?? 0;
    for (const opened of [checkpoint, unwrap(withImageSize(checkpoint, side))]) {
      const model = unwrap(await loadModel(file.blob, file.header, opened));
      const changed = new Map([
        ['head.weight', head.weight],
        ['head.bias', head.bias],
      ]);
      const blob = writeSafetensors(await fineTunedTensors(file.blob, file.header, opened, changed));
      const labels = Array.from(head.bias.data, (_, i) => `label ${i}`);
      const dtype = typeWords[backboneType(file.header, opened)];
      const [hf, timm] = [hfConfigOf(opened, config), timmForm(opened, config)];
      const own = /"(\w+ForImageClassification\w*)"/.exec(jsonText(config.json))?.[1];
      if (own !== undefined) expect(hf).toMatchObject({ architecture: own });
      const text =
        config.library === 'transformers' && typeof hf !== 'string'
          ? writeHfConfig(hf, labels, dtype)
          : typeof timm !== 'string'
            ? writeTimmConfig(timm, labels, usualPreprocessing.vit(opened.config.imageSize), null)
            : '';
      const again = unwrap(parseModelConfig(text, 'config.json'));
      const written = unwrap(await openTensorFile(blob, 'written'));
      const reread = unwrap(readCheckpoint(written.header, again));
      expect(reread.config).toEqual(opened.config);
      expect(unexpectedTensors(reread)).toEqual([]);
      expect(reread.head?.labels).toEqual(labels);
      // The stored type rounds what was interpolated or trained; float32 keeps every bit.
      const close = (actual: NdArray, wanted: NdArray): void => {
        if (dtype === 'float32') expect(actual).toEqual(wanted);
        else assertClose('rounded', actual.data, wanted.data, { abs: 0, rel: 2 ** -8 });
      };
      const weights = unwrap(await loadModel(blob, written.header, reread)).weights;
      for (const [parameter, values] of model.weights)
        close(present(weights.get(parameter), parameter), values);
      const ownHead = present(unwrap(await loadHead(blob, written.header, reread)), 'head');
      close(ownHead.weight, head.weight);
      close(ownHead.bias, head.bias);
    }
  });

  test.each(['cpu', 'wasm'] as const)(
    'logits and gradients are those of its library, on %s',
    async (backend) => {
      const { model, head, expected, checkpoint } = await readFamily(name);
      const pixels = { kind: 'normalised', data: tensorOf(expected, 'pixel_values').data } as const;
      const { dim, mlpDim } = model.config;
      const adapter: Adapter = {
        modules: [identityBranch('blocks.0.q', dim, dim), identityBranch('blocks.0.fc2', dim, mlpDim)],
        head,
        moments: new Map(),
      };
      const engine = await autodiffOn(backend)();
      try {
        unwrap(
          await engine.prepare(model, adapter, identityNormalisation, {
            batch: 2,
            classes: head.bias.data.length,
          }),
        );
        const logits = unwrap(await engine.evaluate(pixels, allOpen));
        // Issue and README promise 1e-4; float32 on a CPU reaches 1e-5 at these sizes.
        assertClose('logits', logits.data, tensorOf(expected, 'logits').data, { abs: 1e-5, rel: 1e-5 });
        const features = unwrap(await engine.features(pixels, allOpen));
        assertClose('head on features', headLogits(features, head).data, logits.data, { abs: 1e-5, rel: 0 });
        const { gradients, loss } = unwrap(
          await engine.gradients({ pixels, labels: Int32Array.of(0, 1) }, allOpen),
        );
        assertClose('loss', [loss], tensorOf(expected, 'loss').data, { abs: 1e-5, rel: 0 });
        const gradient = (parameter: string): NdArray => present(gradients.get(parameter), parameter);
        const tolerance = { abs: 2e-6, rel: 2e-5 };
        const close = (what: string, actual: Float32Array): number =>
          assertClose(what, actual, tensorOf(expected, what).data, tolerance);
        close('grad.head.weight', asStored(gradient('head.weight'), checkpoint.heads.length));
        close('grad.head.bias', gradient('head.bias').data);
        close('grad.q.weight', gradient('blocks.0.q.B.0').data);
        close('grad.fc2.weight', gradient('blocks.0.fc2.B.0').data);
      } finally {
        engine.dispose();
      }
    },
  );
});
