// The kernels of every family of plain ViTs against the autodiff engine, at micro size: logits, features,
// every gradient and where they look. Functions that throw, run in Node and in a browser.
import { tunedStart, type Tune } from '../../dmlora/tuned.ts';
import type { DmloraOptions } from '../../recipe/recipe.ts';
import { assert, present } from '../../shared/assert.ts';
import { headInputs, type VitConfig } from '../../vit/vit-config.ts';
import type { Engine, Gradients, Look } from '../engine.ts';
import { assertClose } from './close.ts';
import { assertLook } from './look-checks.ts';
import { micro, plainNormalisation, randomAdapter, randomBatch, randomModel } from './random-model.ts';
import { unwrap } from '../../shared/result.ts';

export interface Variant {
  readonly change: Partial<VitConfig>;
  readonly options: Partial<DmloraOptions>;
  readonly classes: number;
  /** What learns of the backbone; nothing without it. */
  readonly tune?: Tune;
}

const everywhere = { targets: 'all', rank: 2, branches: 2 } as const;

/** What the families differ by, together in as few models as hold it. */
export const families: Readonly<Record<string, Variant>> = {
  'DINOv2 with registers: layer scale, token and mean': {
    change: { prefixTokens: 3, pool: 'cls+mean', meanFrom: 3, layerScale: true, imageSize: 24 },
    options: everywhere,
    classes: 3,
    tune: 'all',
  },
  'CLIP: a norm before, none after, quick GELU, the mean of the patches': {
    change: { preNorm: true, finalNorm: 'none', pool: 'mean', activation: 'quick-gelu' },
    options: everywhere,
    classes: 3,
    tune: 'all',
  },
  'SigLIP: no tokens before the patches, tanh GELU': {
    change: { prefixTokens: 0, pool: 'mean', meanFrom: 0, activation: 'gelu-tanh' },
    options: everywhere,
    classes: 3,
    tune: 'biases',
  },
  'a distilled DeiT, and branches on q and v alone': {
    change: { prefixTokens: 2, pool: 'cls+dist', meanFrom: 2 },
    options: { rank: 2, branches: 2 },
    classes: 3,
  },
  'timm: layer scale, mean, then the norm, odd width': {
    change: { dim: 15, heads: 3, pool: 'mean', finalNorm: 'pooled', layerScale: true },
    options: { ...everywhere, rank: 1 },
    classes: 3,
    tune: 'all',
  },
  'layer scale and the class token alone in the last block': {
    change: { layerScale: true, finalNorm: 'none' },
    options: { ...everywhere, rank: 1 },
    classes: 3,
    tune: 'all',
  },
};

/**
 * Compares the kernel engine with another one on two images of a plan for three; throws with the tensor that
 * is off.
 */
export async function checkVariant(
  kernels: () => Promise<Engine>,
  oracle: () => Promise<Engine>,
  { change, options, classes, tune = 'none' }: Variant,
): Promise<void> {
  const config: VitConfig = { ...micro, ...change };
  const model = randomModel(config);
  const adapter = { ...randomAdapter(config, classes, options), ...tunedStart(model, tune) };
  const gates = new Map(
    adapter.modules.map(({ name, branches }, i) => [name, branches.map((_, k) => ((i + k) % 3) / 2)]),
  );
  const batch = randomBatch(config, 2, classes);
  const of = async (
    make: () => Promise<Engine>,
  ): Promise<{ readonly result: Gradients; readonly features: Float32Array; readonly look: Look }> => {
    const engine = await make();
    unwrap(await engine.prepare(model, adapter, plainNormalisation, { batch: 3, classes }));
    const result = unwrap(await engine.gradients(batch, gates));
    const { data, shape } = unwrap(await engine.features(batch.pixels, gates));
    assert(
      shape[0] === 2 && shape[1] === headInputs(config),
      () => `features of the shape [${shape.join()}]`,
    );
    const look = unwrap(await engine.look(batch.pixels, 1, gates));
    engine.dispose();
    return { result, features: data, look };
  };
  const [got, expected] = [await of(kernels), await of(oracle)];
  assertClose('logits', got.result.logits.data, expected.result.logits.data, { abs: 2e-5, rel: 0 });
  assertClose('features', got.features, expected.features, { abs: 2e-5, rel: 1e-5 });
  assertLook('look', got.look, expected.look);
  assert(got.result.gradients.size === expected.result.gradients.size, 'gradients of every parameter');
  for (const [name, { data }] of expected.result.gradients)
    assertClose(name, present(got.result.gradients.get(name), name).data, data, { abs: 1e-5, rel: 1e-4 });
}
