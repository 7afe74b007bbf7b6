// Preprocessing configurations: today's and older Hugging Face forms, timm's, and what must be refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  defaultPreprocessing,
  outputSizeOf,
  parsePreprocessorConfig,
  preprocessingOfTimm,
  writePreprocessorConfig,
  type Preprocessing,
} from './preprocessor-config.ts';

function parsed(config: unknown): Preprocessing {
  const result = parsePreprocessorConfig(JSON.stringify(config));
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value;
}

const fails = (config: unknown): boolean => {
  const result = parsePreprocessorConfig(JSON.stringify(config));
  return !result.ok && result.fault.kind === 'bad-file' && result.fault.why === 'config-invalid';
};

const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

describe('preprocessor_config.json', () => {
  test("transformers 5's ViT", () => {
    const config = {
      do_normalize: true,
      do_rescale: true,
      do_resize: true,
      image_mean: [0.5, 0.5, 0.5],
      image_processor_type: 'ViTImageProcessor',
      image_std: [0.5, 0.5, 0.5],
      resample: 2,
      rescale_factor: 0.00392156862745098,
      size: { height: 224, width: 224 },
    };
    expect(parsed(config)).toEqual(defaultPreprocessing('vit', 224));
  });

  test('the old ViT form: feature extractor, whole number, no rescale', () => {
    const config = {
      do_normalize: true,
      do_resize: true,
      feature_extractor_type: 'ViTFeatureExtractor',
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
      resample: 2,
      size: 224,
    };
    expect(parsed(config)).toEqual(defaultPreprocessing('vit', 224));
  });

  test('DeiT crops after an exact resize, in its old form too', () => {
    const config = {
      crop_size: 224,
      do_center_crop: true,
      feature_extractor_type: 'DeiTFeatureExtractor',
      image_mean: imageNet.mean,
      image_std: imageNet.std,
      resample: 3,
      size: 256,
    };
    expect(parsed(config)).toEqual(defaultPreprocessing('deit', 224));
    expect(parsed({ image_processor_type: 'DeiTImageProcessor' })).toMatchObject({
      resize: { kind: 'exact', width: 256, height: 256 },
      crop: { width: 224, height: 224 },
      filter: 'bicubic',
    });
  });

  test('CLIP and DINOv2 go by the shortest edge, also where it is a bare number', () => {
    const dino = {
      crop_size: { height: 224, width: 224 },
      image_processor_type: 'BitImageProcessor',
      image_mean: imageNet.mean,
      image_std: imageNet.std,
      resample: 3,
      size: { shortest_edge: 256 },
    };
    expect(parsed(dino)).toEqual(defaultPreprocessing('dinov2', 224));
    expect(parsed({ feature_extractor_type: 'CLIPFeatureExtractor', size: 224 })).toEqual(
      defaultPreprocessing('clip', 224),
    );
  });

  test('a ViTImageProcessor that crops is followed', () => {
    const config = {
      crop_size: { height: 224, width: 224 },
      do_center_crop: true,
      image_processor_type: 'ViTImageProcessor',
      image_mean: imageNet.mean,
      image_std: imageNet.std,
      resample: 3,
      size: { shortest_edge: 248 },
    };
    expect(parsed(config)).toEqual(defaultPreprocessing('timm-deit', 224));
  });

  test('switches that are off mean no scaling and no shift', () => {
    expect(parsed({ do_normalize: false, do_rescale: false })).toMatchObject({
      rescale: 1,
      mean: [0, 0, 0],
      std: [1, 1, 1],
    });
  });

  test.each([
    ['no object', [1, 2]],
    ['a filter that is not there', { resample: 1 }],
    ['a longest edge', { size: { longest_edge: 300 } }],
    ['a fraction of a pixel', { size: 224.5 }],
    ['a size of nothing', { size: { height: 0, width: 224 } }],
    ['a huge size', { size: 1e9 }],
    ['two channels', { image_mean: [0.5, 0.5] }],
    ['a deviation of nothing', { image_std: [0.5, 0, 0.5] }],
    ['text for a number', { rescale_factor: '1/255' }],
    ['text for a switch', { do_rescale: 'yes' }],
    ['no resize', { do_resize: false }],
  ])('%s is refused', (_, config) => {
    expect(fails(config)).toBe(true);
  });

  test('any text gives a Result', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        parsePreprocessorConfig(text);
      }),
      { seed: 1, numRuns: 500 },
    );
    const keys = [
      'size',
      'crop_size',
      'resample',
      'image_mean',
      'image_std',
      'do_resize',
      'rescale_factor',
      '__proto__',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()), (config) => {
        parsePreprocessorConfig(JSON.stringify(config));
        preprocessingOfTimm(config);
      }),
      { seed: 2, numRuns: 500 },
    );
  });
});

describe('timm', () => {
  const cfg = {
    input_size: [3, 224, 224],
    interpolation: 'bicubic',
    crop_pct: 0.9,
    crop_mode: 'center',
    ...imageNet,
  };
  const derived = (config: unknown): Preprocessing | null => {
    const result = preprocessingOfTimm(config);
    return result.ok ? result.value : null;
  };

  test('the short side is floor(size / crop_pct)', () => {
    expect(derived({ architecture: 'deit', pretrained_cfg: cfg })).toEqual(
      defaultPreprocessing('timm-deit', 224),
    );
    expect(derived(cfg)?.resize).toEqual({ kind: 'shortest-edge', size: 248 });
    expect(derived({ ...cfg, crop_pct: 1, input_size: [3, 384, 384] })?.resize).toEqual({
      kind: 'shortest-edge',
      size: 384,
    });
    expect(derived({ ...cfg, crop_mode: 'squash' })?.resize).toEqual({
      kind: 'exact',
      width: 248,
      height: 248,
    });
  });

  test('what Graft cannot follow is refused', () => {
    expect(derived({ ...cfg, interpolation: 'lanczos' })).toBeNull();
    expect(derived({ ...cfg, crop_mode: 'border' })).toBeNull();
    expect(derived({ ...cfg, input_size: [1, 28, 28] })).toBeNull();
    expect(derived('text')).toBeNull();
  });
});

describe('defaults and writing', () => {
  const families = ['vit', 'deit', 'dinov2', 'clip', 'timm-vit', 'timm-deit'] as const;

  test.each(families)('%s yields the model size and survives a round trip', (family) => {
    const preprocessing = defaultPreprocessing(family, 384);
    expect(outputSizeOf(preprocessing)).toMatchObject({ width: 384, height: 384 });
    const text = writePreprocessorConfig(preprocessing);
    expect(parsePreprocessorConfig(text)).toEqual({ ok: true, value: preprocessing });
  });
});
