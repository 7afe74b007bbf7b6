// timm's description of the preprocessing, pretrained_cfg: reading it as timm's evaluation transform does.
import type { Preprocessing, Size } from '../../data/preprocessing.ts';
import {
  channels,
  deviations,
  FieldError,
  fieldsOf,
  filterNamed,
  pixels,
  positive,
} from '../transformers/preprocessor-fields.ts';
import { clipStatistics, halves, imageNet } from '../transformers/processor-classes.ts';
import { timmStatistics } from './statistics.ts';

/** The fields that describe images; what is left out of them is timm's default. */
export const timmImageFields = ['input_size', 'interpolation', 'crop_pct', 'crop_mode', 'mean', 'std'];

/**
 * The preprocessing of a timm config.json, with or without the pretrained_cfg level: short side floor(size /
 * crop_pct), centre crop of input_size, or of `imageSize` where the file has none. Throws a FieldError.
 */
export function timmFields(outer: Map<string, unknown>, imageSize: number): Preprocessing {
  const inner = outer.get('pretrained_cfg');
  const fields = inner == null ? outer : fieldsOf(inner, '"pretrained_cfg"');
  const stated = (field: string): unknown => fields.get(field) || null; // as timm: 0, "" and null are left out
  const inputSize = stated('input_size') ?? [3, imageSize, imageSize];
  if (!Array.isArray(inputSize) || inputSize.length !== 3 || inputSize[0] !== 3)
    throw new FieldError('"input_size" is not [3, height, width].');
  const crop: Size = {
    height: pixels(inputSize[1], 'input_size'),
    width: pixels(inputSize[2], 'input_size'),
  };
  const share = positive(stated('crop_pct') ?? 0.875, 'crop_pct');
  const wide: Size = { width: Math.floor(crop.width / share), height: Math.floor(crop.height / share) };
  const mode = stated('crop_mode') ?? 'center';
  if (mode !== 'squash' && mode !== 'center')
    throw new FieldError(`"crop_mode" ${JSON.stringify(mode)} is not supported: "center" and "squash" are.`);
  if (mode === 'center' && wide.width !== wide.height)
    throw new FieldError('"input_size" is not square, which "crop_mode" "center" must be here.');
  return {
    resize: mode === 'squash' ? { kind: 'exact', ...wide } : { kind: 'shortest-edge', size: wide.width },
    share,
    crop,
    cropAt: 'half-even',
    filter: filterNamed(stated('interpolation') ?? 'bicubic', 'interpolation'),
    rescale: 1 / 255,
    mean: channels(stated('mean') ?? imageNet.mean, 'mean'),
    std: deviations(stated('std') ?? imageNet.std, 'std'),
  };
}

const statistics = {
  halves: { mean: halves, std: halves },
  imageNet,
  clip: clipStatistics,
  none: { mean: [0, 0, 0], std: [1, 1, 1] },
} as const;

/** As timm prepares images for an architecture of its registry; null for another. `tag` names the weights. */
export function timmPreprocessing(
  architecture: string,
  tag: string | null,
  imageSize: number,
): Preprocessing | null {
  const known = timmStatistics(architecture, tag);
  if (known === null) return null;
  const crop: Size = { width: imageSize, height: imageSize };
  const side = Math.floor(imageSize / known.cropShare);
  return {
    resize:
      known.cropMode === 'squash'
        ? { kind: 'exact', width: side, height: side }
        : { kind: 'shortest-edge', size: side },
    share: known.cropShare,
    crop,
    cropAt: 'half-even',
    filter: known.filter,
    rescale: 1 / 255,
    ...statistics[known.statistics],
  };
}
