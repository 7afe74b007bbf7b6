// Fields of a preprocessing configuration, checked one by one. A field that makes no sense throws a
// FieldError, which preprocessor-config.ts alone turns into a fault.
import type { ResampleFilter } from '../../data/preprocessing.ts';

/** What is wrong with a field, as a sentence for the user. */
export class FieldError extends Error {}

const filters: readonly ResampleFilter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/** A filter by Pillow's number or name. */
export function filterNamed(value: unknown, field: string): ResampleFilter {
  const filter = filters.find((name, number) => value === name || value === number);
  if (filter === undefined)
    throw new FieldError(
      `The filter ${JSON.stringify(value)} of "${field}" is not supported: ${filters.join(', ')} are.`,
    );
  return filter;
}

type Channels = readonly [number, number, number];

/** The fields of an object; `what` begins the sentence of the refusal. */
export function fieldsOf(value: unknown, what: string): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FieldError(`${what} is no JSON object.`);
  return new Map<string, unknown>(Object.entries(value));
}

/** A switch, or what it is when left out; null is off, as in transformers 5. */
export function flag(config: Map<string, unknown>, field: string, otherwise: boolean): boolean {
  const value = config.has(field) ? (config.get(field) ?? false) : otherwise;
  if (typeof value !== 'boolean') throw new FieldError(`"${field}" is neither true nor false.`);
  return value;
}

/** A whole number of pixels, 1 to 4096. */
export function pixels(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 4096) return value;
  throw new FieldError(`"${field}" is no whole number of pixels from 1 to 4096.`);
}

/** A finite number above 0. */
export function positive(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new FieldError(`"${field}" is no positive number.`);
}

/** Three numbers, or one for all channels. */
export function channels(value: unknown, field: string): Channels {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value, value, value];
  const [r, g, b] = values.length === 1 ? [values[0], values[0], values[0]] : values;
  const isNumber = (x: unknown): x is number => typeof x === 'number' && Number.isFinite(x);
  if (values.length <= 3 && isNumber(r) && isNumber(g) && isNumber(b)) return [r, g, b];
  throw new FieldError(`"${field}" is not three numbers.`);
}

/** Three numbers above 0, or one for all channels. */
export function deviations(value: unknown, field: string): Channels {
  const rgb = channels(value, field);
  if (rgb.some((x) => x <= 0)) throw new FieldError(`"${field}" holds a number that is not positive.`);
  return rgb;
}
