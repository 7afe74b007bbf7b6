// How images are prepared for a family where no file says so.
import type { Preprocessing, Size } from '../data/preprocessing.ts';
import { clipStatistics, halves, imageNet } from './transformers/processor-classes.ts';

/** @param imageSize side of the images in pixels */
type Usual = (imageSize: number) => Preprocessing;

const byte = { rescale: 1 / 255 } as const;
const plain = { mean: halves, std: halves } as const;
const squareOf = (side: number): Size => ({ width: side, height: side });
const enlarged = (imageSize: number): number => Math.floor((imageSize * 256) / 224);

/** Squashed to the size of the images. */
const whole = (imageSize: number) =>
  ({ resize: { kind: 'exact', ...squareOf(imageSize) }, crop: null, cropAt: 'floor', ...byte }) as const;

/** The middle of what is larger. */
const middle = (imageSize: number) =>
  ({ crop: squareOf(imageSize), cropAt: 'floor', filter: 'bicubic', ...byte }) as const;

const timm = (imageSize: number) =>
  ({
    ...middle(imageSize),
    resize: { kind: 'shortest-edge', size: Math.floor(imageSize / 0.9) },
    share: 0.9,
    cropAt: 'half-even',
  }) as const;

export const usualPreprocessing = {
  vit: (size) => ({ ...whole(size), filter: 'bilinear', ...plain }),
  siglip: (size) => ({ ...whole(size), filter: 'bicubic', ...plain }),
  deit: (size) => ({
    ...middle(size),
    resize: { kind: 'exact', ...squareOf(enlarged(size)) },
    ...imageNet,
  }),
  dinov2: (size) => ({
    ...middle(size),
    resize: { kind: 'shortest-edge', size: enlarged(size) },
    ...imageNet,
  }),
  clip: (size) => ({ ...middle(size), resize: { kind: 'shortest-edge', size }, ...clipStatistics }),
  'timm-vit': (size) => ({ ...timm(size), ...plain }),
  'timm-deit': (size) => ({ ...timm(size), ...imageNet }),
  'timm-clip': (size) => ({ ...timm(size), ...clipStatistics }),
} as const satisfies Readonly<Record<string, Usual>>;
