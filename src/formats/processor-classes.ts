// The defaults of transformers' image processor classes: what a preprocessor_config.json leaves out. From the class
// attributes of transformers 5.18 (`npm run interop` compares pixels); a class that is not here must state everything.

export type Rgb = readonly [number, number, number];

export const halves: Rgb = [0.5, 0.5, 0.5];
export const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
export const clipStatistics = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
} as const;

export interface ProcessorClass {
  /** Whether a bare number for `size` is a square (else the shortest edge). */
  readonly square: boolean;
  /** `size`, in pixels. */
  readonly size: number;
  /** `crop_size`, in pixels; null where the class does not crop by itself. */
  readonly crop: number | null;
  readonly filter: 'bilinear' | 'bicubic';
  readonly mean: Rgb;
  readonly std: Rgb;
  /** ConvNext's own rule: below 384 pixels the edge is size / share and a square of `size` is cut out. */
  readonly cropShare?: number;
}

const plain = { mean: halves, std: halves } as const;
const byEdge = { square: false, size: 224, crop: 224, filter: 'bicubic' } as const;
const exact = { square: true, size: 224, crop: null, filter: 'bicubic' } as const;

const classes: ReadonlyMap<string, ProcessorClass> = new Map<string, ProcessorClass>([
  ['ViT', { ...exact, filter: 'bilinear', ...plain }],
  ['DeiT', { ...exact, size: 256, crop: 224, ...plain }],
  ['Beit', { ...exact, ...plain }],
  ['Siglip', { ...exact, ...plain }],
  ['Pvt', { ...exact, ...imageNet }],
  ['DINOv3ViT', { ...exact, filter: 'bilinear', ...imageNet }],
  ['Blip', { ...exact, size: 384, ...clipStatistics }],
  ['CLIP', { ...byEdge, ...clipStatistics }],
  ['ChineseCLIP', { ...byEdge, ...clipStatistics }],
  ['Bit', { ...byEdge, ...clipStatistics }],
  ['VideoMAE', { ...byEdge, filter: 'bilinear', ...plain }],
  ['ConvNext', { ...byEdge, size: 384, crop: null, ...plain, cropShare: 224 / 256 }],
]);

/**
 * The class that a file names, in any of its spellings (`ViTImageProcessor`, `ViTImageProcessorFast`,
 * `ViTFeatureExtractor`); the plain ViT's where it names none; null where Graft does not know it.
 */
export function processorClass(name: string | null): ProcessorClass | null {
  const [, family = ''] =
    /^(\w+?)(?:ImageProcessor|FeatureExtractor)(?:Fast|Pil)?$/.exec(name ?? 'ViTImageProcessor') ?? [];
  return classes.get(family) ?? null;
}
