// JSON read without trust: whatever a file holds becomes a plain value whose fields are asked for by name and
// type. Objects become Maps, so a key like __proto__ is a key.
import type { BadFileReason } from '../shared/fault.ts';
import { jsonTextOf, mostJsonBytes, parseJsonText } from '../shared/json-text.ts';
import { fail, ok, type Result } from '../shared/result.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** Parses JSON text whose top level must be an object; `name` is the file's, for the fault. */
export function parseJsonObject(text: string, name: string): Result<JsonObject> {
  const parsed = parseJsonText(text);
  if (!parsed.ok) return bad(name, parsed.fault);
  const value = toJson(parsed.value);
  return isObject(value) ? ok(value) : bad(name, 'It holds no JSON object.');
}

const bad = (name: string, detail: string, why: BadFileReason = 'config-invalid'): Result<never> =>
  fail({ kind: 'bad-file', name, why, detail });

/** The text of a JSON file, unless it is larger than any of its kind is. */
export async function readJsonText(file: Blob, name: string): Promise<Result<string>> {
  const text = await jsonTextOf(file);
  return text.ok ? text : bad(name, text.fault, file.size > mostJsonBytes ? 'too-big' : 'unreadable');
}

/** Reads a file whose top level must be an object; `name` is for the fault. */
export async function readJsonObject(file: Blob, name: string): Promise<Result<JsonObject>> {
  const text = await readJsonText(file, name);
  return text.ok ? parseJsonObject(text.value, name) : text;
}

function toJson(value: unknown): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
    return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object')
    return new Map(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  throw new TypeError(`${typeof value} in JSON`);
}

function isObject(value: Json | undefined): value is JsonObject {
  return value instanceof Map;
}

/** A field as a finite number, a string, an object; null when it is absent or of another type. */
export function numberOf(object: JsonObject, key: string): number | null {
  const value = object.get(key);
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
export function stringOf(object: JsonObject, key: string): string | null {
  const value = object.get(key);
  return typeof value === 'string' ? value : null;
}
export function objectOf(object: JsonObject, key: string): JsonObject | null {
  const value = object.get(key);
  return isObject(value) ? value : null;
}

const noKeys: ReadonlySet<string> = new Set();

/**
 * Text of a JSON value, two spaces deep, keys in the Map's order; whole numbers of `floats` keys get a ".0".
 */
export function jsonText(value: Json, floats = noKeys, indent = ''): string {
  const inner = `${indent}  `;
  if (isObject(value)) {
    if (value.size === 0) return '{}';
    const fields = [...value].map(([key, item]) => {
      const isFloat = typeof item === 'number' && Number.isInteger(item) && floats.has(key);
      return `${inner}${JSON.stringify(key)}: ${isFloat ? item.toFixed(1) : jsonText(item, floats, inner)}`;
    });
    return `{\n${fields.join(',\n')}\n${indent}}`;
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return '[]';
    return `[\n${value.map((item: Json) => inner + jsonText(item, floats, inner)).join(',\n')}\n${indent}]`;
  }
  return JSON.stringify(value);
}
