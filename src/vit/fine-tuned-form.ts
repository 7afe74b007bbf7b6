// What a checkpoint decides about the config.json of its fine-tuned form, beside the classes.
import type { Json } from '../formats/json.ts';
import type { FineTuned, ModelConfigFile } from '../formats/model-config.ts';
import type { Checkpoint } from './checkpoint.ts';

/** What the written config.json has to say otherwise than the source's. */
export function fineTunedForm(
  { config, storedImageSize, heads, family }: Checkpoint,
  file: ModelConfigFile,
): FineTuned {
  const poolsOtherwise = family.id === 'timm' && file.globalPool === 'map';
  return {
    imageSize: config.imageSize === storedImageSize ? null : config.imageSize,
    twoHeads: family.id === 'deit' && heads.length === 2,
    timmArgs: new Map<string, Json>(
      poolsOtherwise
        ? [
            ['global_pool', 'avg'],
            ['fc_norm', false],
          ]
        : [],
    ),
  };
}
