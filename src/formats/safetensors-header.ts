// The JSON text of a safetensors header -> its entries, by a parser of exactly that grammar: JSON.parse keeps
// the last of two equal keys, rounds numbers, reads 1e0 as a count and builds whatever a hostile text asks
// for. This one stops at the first byte that does not belong, with every cap checked while reading. Knows no
// files and no offsets' sense.
import type { BadFileReason } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';

export interface HeaderProblem {
  readonly why: BadFileReason;
  readonly detail: string;
}

/** An entry as the header writes it; offsets count from the end of the header. */
interface HeaderEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsets: readonly [begin: number, end: number];
}

export interface HeaderText {
  readonly tensors: ReadonlyMap<string, HeaderEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

const maxTensors = 10_000;
const maxMetadata = 10_000;
const maxNameLength = 512;
const maxRank = 8;
const maxDimension = 2 ** 32;
/** How deep a field that the format does not know may be nested. */
const maxDepth = 16;

class HeaderError extends Error {
  constructor(readonly problem: HeaderProblem) {
    super(problem.detail);
  }
}

/**
 * Parses the text of a header. Strings, whole numbers and objects as in JSON; a key that stands twice, a lone
 * surrogate, a fraction, a sign or an exponent is a problem; fields of an entry that the format does not know
 * are passed over.
 */
export function parseHeaderText(text: string): Result<HeaderText, HeaderProblem> {
  try {
    return ok(new HeaderParser(text).header());
  } catch (thrown) {
    if (thrown instanceof HeaderError) return fail(thrown.problem);
    throw thrown;
  }
}

const bad = (why: BadFileReason, detail: string): HeaderError => new HeaderError({ why, detail });
const notJson = (detail: string): HeaderError => bad('header-not-json', detail);

/** A tensor's name in a sentence. */
export const shortName = (name: string): string => (name === '' ? '""' : name.slice(0, 80));

class HeaderParser {
  #at = 0;

  constructor(private readonly text: string) {}

  header(): HeaderText {
    const tensors = new Map<string, HeaderEntry>();
    const metadata: ReadonlyMap<string, string>[] = [];
    this.#object(maxNameLength, (name) => {
      if (name === '__metadata__') {
        if (metadata.length > 0) throw notJson('Its header has __metadata__ twice.');
        metadata.push(this.#metadata());
        return;
      }
      if (tensors.has(name)) throw bad('offsets', `Two tensors have the name ${shortName(name)}.`);
      if (tensors.size >= maxTensors)
        throw bad('header-too-big', `It has more than ${maxTensors.toLocaleString('en')} tensors.`);
      tensors.set(name, this.#entry(name));
    });
    this.#space();
    if (this.#at < this.text.length) throw notJson('Its header goes on after its end.');
    return { tensors, metadata: metadata[0] ?? new Map<string, string>() };
  }

  #metadata(): ReadonlyMap<string, string> {
    const words = new Map<string, string>();
    this.#object(Infinity, (key) => {
      if (words.has(key)) throw notJson(`__metadata__ has "${shortName(key)}" twice.`);
      if (words.size >= maxMetadata) throw bad('header-too-big', 'Its __metadata__ has too many keys.');
      this.#space();
      if (this.text[this.#at] !== '"') throw notJson(`__metadata__ "${shortName(key)}" is no string.`);
      words.set(key, this.#string(Infinity));
    });
    return words;
  }

  #entry(name: string): HeaderEntry {
    const short = shortName(name);
    const found: { dtype?: string; shape?: readonly number[]; data_offsets?: readonly number[] } = {};
    this.#space();
    if (this.text[this.#at] !== '{') throw notJson(`The entry of ${short} is no object.`);
    this.#object(maxNameLength, (field) => {
      if (Object.hasOwn(found, field)) throw notJson(`${short} has the field ${field} twice.`);
      if (field === 'dtype') {
        this.#space();
        if (this.text[this.#at] !== '"') throw bad('dtype', `${short} has no type.`);
        found.dtype = this.#string(maxNameLength);
      } else if (field === 'shape')
        found.shape = this.#counts(maxRank, maxDimension, bad('shape', `${short} has an impossible shape.`));
      else if (field === 'data_offsets') {
        const problem = bad('offsets', `${short} has impossible offsets.`);
        found.data_offsets = this.#counts(2, Number.MAX_SAFE_INTEGER, problem);
      } else this.#skip(0);
    });
    const { dtype, shape, data_offsets: [begin, end] = [] } = found;
    if (dtype === undefined) throw bad('dtype', `${short} has no type.`);
    if (shape === undefined) throw bad('shape', `${short} has no shape.`);
    if (begin === undefined || end === undefined) throw bad('offsets', `${short} has no offsets.`);
    return { dtype, shape, offsets: [begin, end] };
  }

  /** An object; `field` is called behind each key and reads its value. */
  #object(keyLength: number, field: (key: string) => void): void {
    this.#expect('{', 'Its header is no JSON object.');
    if (this.#take('}')) return;
    do {
      const key = this.#string(keyLength);
      this.#expect(':', 'Its header is not JSON text.');
      field(key);
    } while (this.#take(','));
    this.#expect('}', 'Its header is not JSON text.');
  }

  /**
   * An array of at most `most` whole numbers up to `limit`, without sign, fraction, exponent or leading zero.
   */
  #counts(most: number, limit: number, problem: HeaderError): number[] {
    const counts: number[] = [];
    if (!this.#take('[')) throw problem;
    if (this.#take(']')) return counts;
    do {
      this.#space();
      const digits = this.#match(/(?:0|[1-9][0-9]{0,15})(?![0-9.eE])/y);
      const count = Number(digits ?? NaN);
      if (!(count <= limit) || counts.length >= most) throw problem;
      counts.push(count);
    } while (this.#take(','));
    if (!this.#take(']')) throw problem;
    return counts;
  }

  #string(most: number): string {
    this.#expect('"', 'Its header is not JSON text.');
    const begin = this.#at;
    let end = this.text.indexOf('"', begin);
    // A quote behind an odd number of backslashes is part of the string.
    for (; end !== -1; end = this.text.indexOf('"', end + 1)) {
      let slashes = 0;
      while (end - slashes > begin && this.text[end - slashes - 1] === '\\') slashes++;
      if (slashes % 2 === 0) break;
    }
    if (end === -1) throw notJson('Its header is not JSON text.');
    this.#at = end + 1;
    // An escape takes up to six characters.
    if (end - begin > 6 * most) throw bad('header-too-big', 'It has a name that is too long.');
    const value = unescaped(this.text.slice(begin - 1, end + 1));
    if (value.length > most) throw bad('header-too-big', 'It has a name that is too long.');
    return value;
  }

  /** Passes over a value of any kind. */
  #skip(depth: number): void {
    if (depth > maxDepth) throw notJson('Its header is nested too deep.');
    this.#space();
    const first = this.text[this.#at];
    if (first === '"') this.#string(Infinity);
    else if (first === '{') this.#object(Infinity, () => this.#skip(depth + 1));
    else if (first === '[') {
      this.#take('[');
      if (this.#take(']')) return;
      do this.#skip(depth + 1);
      while (this.#take(','));
      this.#expect(']', 'Its header is not JSON text.');
    } else if (
      this.#match(/(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![0-9.\w])/y) ===
      null
    )
      throw notJson('Its header is not JSON text.');
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }

  #space(): void {
    for (let code = this.text.charCodeAt(this.#at); isSpace(code); code = this.text.charCodeAt(this.#at))
      this.#at += 1;
  }

  #take(character: string): boolean {
    this.#space();
    if (this.text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #expect(character: string, detail: string): void {
    if (!this.#take(character)) throw notJson(detail);
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/** The value of a JSON string with its quotes. */
function unescaped(quoted: string): string {
  try {
    const value: unknown = JSON.parse(quoted);
    if (typeof value !== 'string' || /\p{Surrogate}/u.test(value))
      throw notJson('Its header holds half a character.');
    return value;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw notJson('Its header is not JSON text.');
    throw thrown;
  }
}
