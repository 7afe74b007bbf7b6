// transformers' image processor classes: what each does where a preprocessor_config.json leaves a field out,
// and which fields it acts on. From the PIL classes of transformers 5.18 (`npm run interop` compares pixels).
import type { ResampleFilter, Rgb } from '../../data/preprocessing.ts';

export const halves: Rgb = [0.5, 0.5, 0.5];
export const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
export const clipStatistics = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

export interface ProcessorClass {
  /** `size` in pixels: of both sides, or with `byEdge` of the shorter one. */
  readonly size: number;
  readonly byEdge: boolean;
  /** `default_to_square`: a bare number for `size` is a square, else the shortest edge. */
  readonly square: boolean;
  /** `do_center_crop` and `crop_size` in pixels; null where a file that crops must state the size. */
  readonly crops: boolean;
  readonly crop: number | null;
  readonly filter: ResampleFilter;
  readonly mean: Rgb;
  readonly std: Rgb;
  /** Fields that it acts on beyond those of every class. */
  readonly acts: readonly string[];
  /** Fields of every class that this one does not look at. */
  readonly ignores: readonly string[];
  readonly rescale?: number;
  /** How the shortest edge follows from `size`, where it is another one. */
  readonly edge?: 'convnext' | 'levit' | 'poolformer';
  /** `crop_pct`, where the class has one. */
  readonly share?: number;
  /** Whether it resizes after rescaling, so that its pixels are no whole levels. */
  readonly unrounded?: boolean;
}

const pad = ['do_pad', 'pad_size'];
const crop = ['do_center_crop', 'crop_size'];
const plain = { mean: halves, std: halves } as const;
const common = { acts: [], ignores: [] } as const;
const exact = { ...common, size: 224, byEdge: false, square: true, crops: false, crop: null } as const;
const byEdge = { ...common, size: 224, byEdge: true, square: false, crops: true, crop: 224 } as const;
const bicubic = { filter: 'bicubic' } as const;
const bilinear = { filter: 'bilinear' } as const;

const classes: ReadonlyMap<string, ProcessorClass> = new Map<string, ProcessorClass>([
  ['ViT', { ...exact, ...bilinear, ...plain }],
  ['DeiT', { ...exact, ...bicubic, size: 256, crops: true, crop: 224, ...plain }],
  ['Beit', { ...exact, ...bicubic, crop: 224, ...plain, ignores: pad }],
  ['Siglip', { ...exact, ...bicubic, square: false, ...plain }],
  ['Pvt', { ...exact, ...bicubic, ...imageNet }],
  ['DINOv3ViT', { ...exact, ...bilinear, ...imageNet, ignores: pad, unrounded: true }],
  ['Blip', { ...exact, ...bicubic, size: 384, ...clipStatistics }],
  ['OwlViT', { ...exact, ...bicubic, size: 768, crop: 768, ...clipStatistics }],
  ['Segformer', { ...exact, ...bilinear, size: 512, ...imageNet, ignores: [...pad, ...crop] }],
  [
    'DPT',
    {
      ...exact,
      ...bicubic,
      size: 384,
      ...plain,
      acts: ['keep_aspect_ratio', 'ensure_multiple_of', 'size_divisor'],
      ignores: ['pad_size', ...crop],
    },
  ],
  [
    'EfficientNet',
    {
      ...exact,
      ...bicubic,
      size: 346,
      crop: 289,
      ...plain,
      acts: ['rescale_offset', 'include_top'],
      ignores: pad,
    },
  ],
  ['CLIP', { ...byEdge, ...bicubic, ...clipStatistics, acts: ['use_square_size'] }],
  ['ChineseCLIP', { ...byEdge, ...bicubic, ...clipStatistics }],
  ['Bit', { ...byEdge, ...bicubic, ...clipStatistics }],
  ['VideoMAE', { ...byEdge, ...bilinear, ...plain, ignores: pad }],
  ['MobileNetV1', { ...byEdge, ...bilinear, size: 256, ...plain }],
  ['MobileNetV2', { ...byEdge, ...bilinear, size: 256, ...plain, ignores: pad }],
  [
    'MobileViT',
    {
      ...byEdge,
      ...bicubic,
      crop: 256,
      ...plain,
      acts: ['do_flip_channel_order'],
      ignores: [...pad, 'do_normalize', 'image_mean', 'image_std'],
    },
  ],
  ['Levit', { ...byEdge, ...bicubic, ...imageNet, edge: 'levit' }],
  ['PoolFormer', { ...byEdge, ...bicubic, ...imageNet, acts: ['crop_pct'], edge: 'poolformer', share: 0.9 }],
  [
    'ConvNext',
    {
      ...byEdge,
      ...bicubic,
      size: 384,
      crops: false,
      crop: null,
      ...plain,
      acts: ['crop_pct'],
      ignores: pad,
      edge: 'convnext',
      share: 224 / 256,
    },
  ],
  [
    'Chameleon',
    {
      ...byEdge,
      size: 512,
      crop: 512,
      filter: 'lanczos',
      mean: [1, 1, 1],
      std: [1, 1, 1],
      rescale: 0.0078,
    },
  ],
]);

/** transformers' classes that cut, pad, tile or read images in a way of their own. */
const others: ReadonlySet<string> = new Set(
  `Aria BridgeTower CHMv2 Cohere2Vision CohereCompass ConditionalDetr Cosmos3Edge DeepseekOcr2 DeepseekVL
  DeepseekVLHybrid DeformableDetr DepthPro Detr Donut EfficientLoFTR Emu3 Eomt Ernie4_5_VL_Moe Ernie4_5_VLMoe Flava
  Fuyu Gemma3 Gemma4 Gemma4Unified Glm46V Glm4v Glm5Next Glmga GlmImage GLPN GotOcr2 GroundingDino HunYuanVL Idefics
  Idefics2 Idefics3 ImageGPT Inkling Janus Kimi_K25 Kosmos2_5 LayoutLMv2 LayoutLMv3 Lfm2Vl LightGlue Llama4 Llava
  LlavaNext LlavaOnevision Mask2Former MaskFormer MiniCPMV4_6 MiniMaxM3VL Mllama MuseGlimmer
  NemotronH_Omni_Reasoning_V3 NeoMME Nougat OneFormer Ovis2 Owlv2 PaddleOCRVL Perceiver PerceptionLM Phi4Multimodal
  PI0 Pix2Struct Pixtral PPChart2Table PPDocLayoutV2 PPDocLayoutV3 PPFormulaNet PPLCNet PPOCRV5ServerDet
  PPOCRV5ServerRec PPOCRV6SmallRec PromptDepthAnything Qwen2VL RfDetr RTDetr Sam Sam2 Sam3 Sapiens2 SegGpt Siglip2
  SLANeXt SmolVLM Step3p7 SuperGlue SuperPoint Swin2SR TextNet Tipsv2 Tipsv2Dpt Tvp UVDoc VideoLlama3 VideoLlava Vilt
  VitMatte VitPose Vivit Yolos ZoeDepth`.split(/\s+/),
);

/** For a class that nobody here knows, whose file states everything that would be taken from here. */
export const statesAll: ProcessorClass = { ...exact, ...bilinear, ...plain };

/**
 * The class that a file names, in any of its spellings (`ViTImageProcessor`, `ViTImageProcessorFast`,
 * `ViTFeatureExtractor`): known, one of transformers' that is not followed here, or another's.
 */
export function processorClass(name: string): ProcessorClass | 'not-followed' | 'unknown' {
  const [, family = ''] = /^(\w+?)(?:ImageProcessor|FeatureExtractor)(?:Fast|Pil)?$/.exec(name) ?? [];
  return classes.get(family) ?? (others.has(family) ? 'not-followed' : 'unknown');
}
