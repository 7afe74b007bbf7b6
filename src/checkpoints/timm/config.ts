// config.json of a timm repository, as timm's save_config_for_hf writes it, for a plain ViT of any size: a
// registered architecture of the same kind, and in model_args every number by which the model differs from
// it.
import type { Preprocessing } from '../../data/preprocessing.ts';
import { jsonText, type Json, type JsonObject } from '../../formats/json.ts';
import { grey16Field, grey16Json } from '../grey16-field.ts';
import { timmImageFields } from './preprocessing.ts';

/** The numbers and switches of the model; `prefix` counts are tokens before the patches. */
export interface TimmForm {
  readonly architecture: string;
  readonly dim: number;
  /** Constructor arguments beyond those of the architecture. */
  readonly args: ReadonlyMap<string, Json>;
  /** timm's name of what the head reads: token, avg. */
  readonly globalPool: string;
  readonly imageSize: number;
  /** Name of the head's module. */
  readonly classifier: Json;
}

/** The file's text; the preprocessing stands in pretrained_cfg, since timm has no other place for it. */
export function writeTimmConfig(
  model: TimmForm,
  labels: readonly string[],
  preprocessing: Preprocessing,
  licence: string | null,
): string {
  const json = new Map<string, Json>([
    ['architecture', model.architecture],
    ['num_classes', labels.length],
    ['num_features', model.dim],
    ['global_pool', model.globalPool],
    ['label_names', labels],
    ['model_args', model.args],
    ...(preprocessing.grey16 === undefined ? [] : [[grey16Field, grey16Json(preprocessing.grey16)] as const]),
    [
      'pretrained_cfg',
      new Map<string, Json>([
        ['custom_load', false],
        ['input_size', [3, model.imageSize, model.imageSize]],
        ['fixed_input_size', true],
        ...preprocessingFields(preprocessing),
        ['num_classes', labels.length],
        ['pool_size', null],
        ['first_conv', 'patch_embed.proj'],
        ['classifier', model.classifier],
        ...(licence === null ? [] : ([['license', licence]] as const)),
      ]),
    ],
  ]);
  return `${jsonText(json)}\n`;
}

/** What timm's evaluation transform lacks of a preprocessing, in words; null where it can do all of it. */
export function timmLacks({ resize, channels }: Preprocessing): string | null {
  if (channels === 'bgr') return 'its channels are in the order blue, green, red';
  if (resize.kind === 'none') return 'its images are not resized';
  return resize.kind === 'shortest-edge' && resize.longest !== undefined
    ? 'the longer side of its images has a limit'
    : null;
}

/** Whether a pretrained_cfg says anything of the images. */
export const saysTimmImages = (pretrainedCfg: JsonObject): boolean =>
  timmImageFields.some((field) => pretrainedCfg.has(field));

/**
 * timm resizes the short side (or, squashing, both) to floor(input / crop_pct) and crops; its pixels are
 * always v / 255, so another scale goes into mean and std.
 */
function preprocessingFields({ share: stated, ...preprocessing }: Preprocessing): [string, Json][] {
  const { resize, crop, filter, rescale, mean, std } = preprocessing;
  const side = resize.kind === 'shortest-edge' ? resize.size : resize.width;
  const cut = crop?.width ?? side;
  // Half a pixel more than the side: floor(cut / share) is then the side, whatever the rounding.
  const exact = cut === side ? 1 : cut / (side + 0.5);
  const share = stated !== undefined && Math.floor(cut / stated) === side ? stated : exact;
  const scale = 255 * rescale;
  // 1 / 255 read from a file is not always exactly the division's result.
  const scaled = (value: number): number => (Math.abs(scale - 1) < 1e-9 ? value : value / scale);
  return [
    ['interpolation', filter],
    ['crop_pct', share],
    ['crop_mode', resize.kind === 'exact' ? 'squash' : 'center'],
    ['mean', mean.map(scaled)],
    ['std', std.map(scaled)],
  ];
}
