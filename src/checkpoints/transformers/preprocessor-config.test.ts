// Preprocessing configurations: today's and older Hugging Face forms, timm's, and what must be refused.
import { outputSizeOf, resizedPreprocessing, type Preprocessing } from '../../data/preprocessing.ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  imageProcessorIn,
  parsePreprocessorConfig,
  preprocessingOfTimm,
  writePreprocessorConfig,
} from './preprocessor-config.ts';
import { usualPreprocessing } from '../usual-preprocessing.ts';
import { jsonText } from '../../formats/json.ts';
import { parseModelConfig } from '../libraries.ts';
import { timmPreprocessing } from '../timm/preprocessing.ts';

function parsed(config: unknown): Preprocessing {
  const result = parsePreprocessorConfig(JSON.stringify(config));
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value.preprocessing;
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
    expect(parsed(config)).toEqual(usualPreprocessing.vit(224));
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
    expect(parsed(config)).toEqual(usualPreprocessing.vit(224));
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
    expect(parsed(config)).toEqual(usualPreprocessing.deit(224));
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
    expect(parsed(dino)).toEqual(usualPreprocessing.dinov2(224));
    expect(parsed({ feature_extractor_type: 'CLIPFeatureExtractor', size: 224 })).toEqual(
      usualPreprocessing.clip(224),
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
    // transformers' crop, whose place is rounded down, and whose files state sizes and no share.
    expect(parsed(config)).toEqual({
      ...usualPreprocessing['timm-deit'](224),
      cropAt: 'floor',
      share: undefined,
    });
  });

  // The class attributes of transformers 5.18.
  test.each([
    ['ViTImageProcessorFast', { size: 224, crop: null, filter: 'bilinear', mean: 0.5, exact: true }],
    ['DeiTFeatureExtractor', { size: 256, crop: 224, filter: 'bicubic', mean: 0.5, exact: true }],
    ['BeitImageProcessor', { size: 224, crop: null, filter: 'bicubic', mean: 0.5, exact: true }],
    ['SiglipImageProcessor', { size: 224, crop: null, filter: 'bicubic', mean: 0.5, exact: true }],
    ['CLIPImageProcessorPil', { size: 224, crop: 224, filter: 'bicubic', mean: 0.48145466, exact: false }],
    ['BitImageProcessor', { size: 224, crop: 224, filter: 'bicubic', mean: 0.48145466, exact: false }],
    ['VideoMAEImageProcessor', { size: 224, crop: 224, filter: 'bilinear', mean: 0.5, exact: false }],
  ])(
    'what %s leaves out is its class default',
    (image_processor_type, { size, crop, filter, mean, exact }) => {
      const got = parsed({ image_processor_type });
      expect(got.resize).toEqual(
        exact ? { kind: 'exact', width: size, height: size } : { kind: 'shortest-edge', size },
      );
      expect(got.crop).toEqual(crop === null ? null : { width: crop, height: crop });
      expect(got).toMatchObject({ filter, cropAt: 'floor' });
      expect(got.mean[0]).toBe(mean);
    },
  );

  test("ConvNext's edge is enlarged by its own share, from 384 on it stretches", () => {
    const config = { feature_extractor_type: 'ConvNextFeatureExtractor', size: 224, crop_pct: 0.875 };
    expect(parsed(config)).toMatchObject({
      resize: { kind: 'shortest-edge', size: 256 },
      crop: { width: 224, height: 224 },
    });
    expect(parsed({ ...config, size: { shortest_edge: 384 } })).toMatchObject({
      resize: { kind: 'exact', width: 384, height: 384 },
      crop: null,
    });
  });

  test("transformers' wrapper of timm is read as timm's", () => {
    const pretrained_cfg = {
      input_size: [3, 224, 224],
      crop_pct: 0.9,
      interpolation: 'bicubic',
      ...imageNet,
    };
    expect(parsed({ image_processor_type: 'TimmWrapperImageProcessor', pretrained_cfg })).toEqual(
      usualPreprocessing['timm-deit'](224),
    );
  });

  test('a class that is not known is followed where it states everything, and refused by name where not', () => {
    const whole = {
      size: { height: 96, width: 96 },
      resample: 3,
      image_mean: [0, 0, 0],
      image_std: [1, 1, 1],
    };
    expect(parsed({ image_processor_type: 'NovelImageProcessor', ...whole })).toMatchObject({
      resize: { kind: 'exact', width: 96, height: 96 },
      filter: 'bicubic',
    });
    const half = parsePreprocessorConfig('{"image_processor_type":"NovelImageProcessor","size":96}');
    expect(half).toMatchObject({
      ok: false,
      fault: { detail: expect.stringContaining('NovelImageProcessor') as string },
    });
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
    ['a filter that is not there', { resample: 6 }],
    ['a longest edge', { size: { longest_edge: 300 } }],
    ['a fraction of a pixel', { size: 224.5 }],
    ['a size of nothing', { size: { height: 0, width: 224 } }],
    ['a huge size', { size: 1e9 }],
    ['two channels', { image_mean: [0.5, 0.5] }],
    ['a deviation of nothing', { image_std: [0.5, 0, 0.5] }],
    ['text for a number', { rescale_factor: '1/255' }],
    ['text for a switch', { do_rescale: 'yes' }],
    ['channels first', { input_data_format: 'channels_first' }],
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
      usualPreprocessing['timm-deit'](224),
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
    expect(derived({ ...cfg, interpolation: 'random' })).toBeNull();
    expect(derived({ ...cfg, crop_mode: 'border' })).toBeNull();
    expect(derived({ ...cfg, input_size: [1, 28, 28] })).toBeNull();
    expect(derived('text')).toBeNull();
  });
});

describe('where it stands elsewhere', () => {
  test("timm's file of one level is split as timm does, its labels included", () => {
    const flat = { architecture: 'vit_tiny_patch16_224', num_classes: 2, ...imageNet, crop_pct: 1 };
    const text = JSON.stringify({
      ...flat,
      input_size: [3, 32, 32],
      interpolation: 'bilinear',
      labels: ['a', 'b'],
    });
    const config = parseModelConfig(text, 'config.json');
    if (!config.ok) throw new Error('refused');
    expect(config.value).toMatchObject({ labels: ['a', 'b'], imageSize: 32 });
    const stated = preprocessingOfTimm(JSON.parse(jsonText(config.value.pretrainedCfg)));
    expect(stated).toMatchObject({
      ok: true,
      value: { ...imageNet, filter: 'bilinear', resize: { kind: 'shortest-edge', size: 32 } },
    });
  });

  test('a processor_config.json has its image processor inside, or none', () => {
    const inner = { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 36 } };
    expect(imageProcessorIn(JSON.stringify({ image_processor: inner }))).toEqual({
      ok: true,
      value: JSON.stringify(inner),
    });
    expect(imageProcessorIn('{"processor_class":"CLIPProcessor"}')).toEqual({ ok: true, value: null });
  });

  test.each([
    ['vit_base_patch16_224', null, 0.5, 248],
    ['vit_base_patch16_224', 'mae', 0.485, 248],
    ['vit_small_patch16_224.dino', null, 0.485, 248],
    ['vit_small_patch16_224_dino', null, 0.485, 248],
    ['vit_base_patch32_clip_224', null, 0.48145466, 248],
    ['vit_large_patch14_clip_224', null, 0.5, 224],
  ])('%s (%s) is prepared as timm registers it', (architecture, tag, mean, size) => {
    const known = timmPreprocessing(architecture, tag, 224);
    expect(known?.mean[0]).toBe(mean);
    expect(known?.resize).toEqual({ kind: 'shortest-edge', size });
  });

  test('the class of a file that names none is that of the model', () => {
    const of = (modelType: string): unknown =>
      parsePreprocessorConfig('{"size":224}', 'a file', { modelType, imageSize: 224 });
    expect(of('clip')).toMatchObject({ value: { preprocessing: { resize: { kind: 'shortest-edge' } } } });
    expect(of('vit')).toMatchObject({ value: { preprocessing: { resize: { kind: 'exact' } } } });
  });

  test('a class that resizes before it rounds is said', () => {
    const notes = (image_processor_type: string): readonly string[] => {
      const read = parsePreprocessorConfig(JSON.stringify({ image_processor_type }));
      return read.ok ? read.value.notes : [read.fault.kind];
    };
    expect(notes('DINOv3ViTImageProcessorFast').join()).toContain('less than one level');
    expect(notes('ViTImageProcessor')).toEqual([]);
  });

  test("a class of transformers' that prepares in its own way is refused by name", () => {
    const read = parsePreprocessorConfig('{"image_processor_type":"LlavaNextImageProcessor"}');
    expect(JSON.stringify(read)).toContain('LlavaNextImageProcessor');
    expect(read.ok).toBe(false);
  });
});

describe('another image size', () => {
  const side = (preprocessing: Preprocessing, imageSize: number): number => {
    const { resize, crop } = resizedPreprocessing(preprocessing, imageSize);
    expect(crop).toEqual({ width: imageSize, height: imageSize });
    return resize.kind === 'shortest-edge' ? resize.size : resize.width;
  };

  test.each([0.875, 0.9, 0.95, 1])('timm with a share of %d', (crop_pct) => {
    for (const from of [224, 240, 256, 336, 384, 448, 518])
      for (const crop_mode of ['center', 'squash']) {
        const read = preprocessingOfTimm({ input_size: [3, from, from], crop_pct, crop_mode });
        if (!read.ok) throw new Error(JSON.stringify(read.fault));
        for (const to of [96, 160, 224, 288, 384, 448])
          expect(side(read.value, to)).toBe(Math.floor(to / crop_pct));
      }
  });

  // Sides that create_transform of timm 1.0.29 resizes to for images of these sizes, in either mode.
  const sizes = [112, 224, 240, 256, 288, 320, 336, 384, 448, 512, 518];
  test.each([
    [0.8, [140, 280, 300, 320, 360, 400, 420, 480, 560, 640, 647]],
    [0.85, [131, 263, 282, 301, 338, 376, 395, 451, 527, 602, 609]],
    [0.89, [125, 251, 269, 287, 323, 359, 377, 431, 503, 575, 582]],
    [0.93, [120, 240, 258, 275, 309, 344, 361, 412, 481, 550, 556]],
    [0.965, [116, 232, 248, 265, 298, 331, 348, 397, 464, 530, 536]],
    [0.97, [115, 230, 247, 263, 296, 329, 346, 395, 461, 527, 534]],
  ])('timm with a share of %d, as timm itself', (crop_pct, sides) => {
    for (const from of sizes)
      for (const crop_mode of ['center', 'squash']) {
        const read = preprocessingOfTimm({ input_size: [3, from, from], crop_pct, crop_mode });
        if (!read.ok) throw new Error(JSON.stringify(read.fault));
        expect(sizes.map((to) => side(read.value, to))).toEqual(sides);
      }
  });

  test.each(['deit', 'dinov2', 'clip', 'timm-vit'] as const)('%s as it has it there by itself', (family) => {
    for (const to of [96, 160, 288, 384, 448])
      expect(resizedPreprocessing(usualPreprocessing[family](224), to)).toMatchObject({
        resize: usualPreprocessing[family](to).resize,
      });
  });

  test('timm with a share that none of its ViTs has: in proportion', () => {
    const read = preprocessingOfTimm({ input_size: [3, 224, 224], crop_pct: 0.8 }); // 280
    expect(read.ok && side(read.value, 112)).toBe(140);
  });

  test('the same size changes nothing', () => {
    const preprocessing = usualPreprocessing['timm-vit'](224);
    expect(resizedPreprocessing(preprocessing, 224)).toBe(preprocessing);
  });
});

describe('defaults and writing', () => {
  const families = ['vit', 'deit', 'dinov2', 'clip', 'siglip', 'timm-vit', 'timm-deit'] as const;

  test.each(families)('%s yields the model size and survives a round trip', (family) => {
    const preprocessing = usualPreprocessing[family](384);
    expect(outputSizeOf(preprocessing)).toMatchObject({ width: 384, height: 384 });
    const text = writePreprocessorConfig(preprocessing);
    // transformers has one way to round the place of a crop; timm's cannot be written there.
    expect(parsePreprocessorConfig(text)).toEqual({
      ok: true,
      value: { preprocessing: { ...preprocessing, cropAt: 'floor', share: undefined }, notes: [] },
    });
  });

  test.each([
    ['vit', 'ViTImageProcessor'],
    ['deit', 'DeiTImageProcessor'],
    ['clip', 'BitImageProcessor'],
  ] as const)('%s is written for a class that crops as it does in transformers 4 too', (family, name) => {
    const written: unknown = JSON.parse(writePreprocessorConfig(usualPreprocessing[family](224)));
    expect(written).toMatchObject({ image_processor_type: name });
  });
});
