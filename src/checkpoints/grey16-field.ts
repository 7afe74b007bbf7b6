// The window of 16-bit grey in a model's own files: a field that no library knows, and that Graft reads
// again, so that the model's new images are seen as those that it learned from. Text in, values out.
import type { Grey16Window, Preprocessing } from '../data/preprocessing.ts';
import type { Json, JsonObject } from '../formats/json.ts';
import { FieldError, fieldsOf } from './transformers/preprocessor-fields.ts';

/** Its name in preprocessor_config.json, and in the config.json of timm beside pretrained_cfg. */
export const grey16Field = 'graft_grey16';

/** The preprocessing with the window that the field states, if it states one. Throws a FieldError. */
export function withGrey16Field(preprocessing: Preprocessing, value: unknown): Preprocessing {
  const grey16 = windowStated(value);
  return grey16 === null ? preprocessing : { ...preprocessing, grey16 };
}

/** The window that the field states; null where it is missing. Throws a FieldError. */
export function windowStated(value: unknown): Grey16Window | null {
  if (value == null) return null;
  const fields = fieldsOf(value, `"${grey16Field}"`);
  const [kind, given] = [fields.get('kind'), fields.get('percentiles')];
  const [first, last] = Array.isArray(given) ? given.map(finite) : [NaN, NaN];
  const percentiles: [number, number] = [first ?? NaN, last ?? NaN];
  if (!(percentiles[0] >= 0 && percentiles[0] < percentiles[1] && percentiles[1] <= 100))
    throw new FieldError(`"${grey16Field}" names no two percentiles.`);
  const [low, high] = [finite(fields.get('low')), finite(fields.get('high'))];
  if (kind === 'image') return { kind, percentiles };
  if (kind === 'set' && low <= high) return { kind, percentiles, low, high };
  throw new FieldError(`"${grey16Field}" is neither the window of an image nor that of a set.`);
}

const finite = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : NaN;

/** The field's value as JSON. */
export function grey16Json(window: Grey16Window): JsonObject {
  const ends: readonly (readonly [string, Json])[] =
    window.kind === 'set'
      ? [
          ['low', window.low],
          ['high', window.high],
        ]
      : [];
  return new Map<string, Json>([['kind', window.kind], ['percentiles', window.percentiles], ...ends]);
}
