// Regular expressions from other people's files, matched against names of modules in time that grows with
// name times pattern whatever they say: all ways through a pattern are followed at once and none is tried
// again. What takes more than that (references back, looking around) is no pattern here.

/** A state and where it leads: by a character that passes, or without one. */
interface State {
  /** null for a state that takes no character. */
  readonly takes: ((character: string) => boolean) | null;
  /** Where in the text it may be passed; null for anywhere. */
  readonly only: 'begin' | 'end' | null;
  readonly next: number[];
}

/** A piece of a machine: where it begins, and the states whose ways lead on. */
interface Piece {
  readonly first: number;
  readonly last: number;
}

const maxPatternLength = 500;
const maxStates = 1600;
const maxDepth = 50;
const maxNameLength = 300;

class NoPattern extends Error {}

/**
 * A function that says whether a whole name matches, as Python's re.fullmatch does; null where it cannot be
 * followed.
 */
export function namePattern(pattern: string): ((name: string) => boolean) | null {
  if (pattern.length > maxPatternLength) return null;
  try {
    const reader = new PatternReader(pattern);
    const { first, last } = reader.whole();
    return (name) => name.length <= maxNameLength && runs(reader.states, first, last, name);
  } catch (thrown) {
    if (thrown instanceof NoPattern) return null;
    throw thrown;
  }
}

function runs(states: readonly State[], first: number, last: number, name: string): boolean {
  const open = (seeds: readonly number[], at: number): Set<number> => {
    const found = new Set<number>();
    const waiting = [...seeds];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const state = states[id];
      if (state === undefined || found.has(id)) continue;
      if ((state.only === 'begin' && at > 0) || (state.only === 'end' && at < name.length)) continue;
      found.add(id);
      if (state.takes === null) waiting.push(...state.next);
    }
    return found;
  };
  let now = open([first], 0);
  for (let at = 0; at < name.length && now.size > 0; at++) {
    const character = name.charAt(at);
    const after: number[] = [];
    for (const id of now) {
      const state = states[id];
      if (state?.takes?.(character) === true) after.push(...state.next);
    }
    now = open(after, at + 1);
  }
  return now.has(last);
}

const classes: Readonly<Record<string, (character: string) => boolean>> = {
  d: (character) => /\d/.test(character),
  D: (character) => /\D/.test(character),
  w: (character) => /\w/.test(character),
  W: (character) => /\W/.test(character),
  s: (character) => /\s/.test(character),
  S: (character) => /\S/.test(character),
};

/** Reads a pattern into states, from left to right. */
class PatternReader {
  readonly states: State[] = [];
  #at = 0;
  #depth = 0;

  constructor(private readonly text: string) {}

  whole(): Piece {
    const piece = this.#choice();
    if (this.#at < this.text.length) throw new NoPattern();
    return piece;
  }

  #state(takes: State['takes'], only: State['only'] = null, next: number[] = []): number {
    if (this.states.length >= maxStates) throw new NoPattern();
    return this.states.push({ takes, only, next }) - 1;
  }

  #join(from: number, to: number): void {
    this.states[from]?.next.push(to);
  }

  #takes(text: string): boolean {
    const is = this.text.startsWith(text, this.#at);
    if (is) this.#at += text.length;
    return is;
  }

  #choice(): Piece {
    const [first, last] = [this.#state(null), this.#state(null)];
    do {
      const way = this.#sequence();
      this.#join(first, way.first);
      this.#join(way.last, last);
    } while (this.#takes('|'));
    return { first, last };
  }

  #sequence(): Piece {
    const first = this.#state(null);
    let last = first;
    while (this.#at < this.text.length && !/[|)]/.test(this.text.charAt(this.#at))) {
      const piece = this.#repeated();
      this.#join(last, piece.first);
      last = piece.last;
    }
    return { first, last };
  }

  /** An atom as often as it is asked for; a repeat of a number is written out. */
  #repeated(): Piece {
    const begin = this.#at;
    let piece = this.#atom();
    const end = this.#at;
    const [least, most] = this.#counts();
    if (least === 1 && most === 1) return piece;
    const again = (): Piece => {
      const after = this.#at;
      this.#at = begin;
      const copy = this.#atom();
      this.#at = after;
      return copy;
    };
    if (end === begin) throw new NoPattern();
    const [first, last] = [this.#state(null), this.#state(null)];
    let at = first;
    for (let done = 0; done < Math.max(least, 1) || (most !== Infinity && done < most); done++) {
      if (done > 0) piece = again();
      if (done >= least) this.#join(at, last);
      this.#join(at, piece.first);
      at = piece.last;
      if (most === 0) break;
    }
    if (most === 0) return { first: last, last };
    if (most === Infinity) this.#join(piece.last, piece.first);
    this.#join(at, last);
    return { first, last };
  }

  #counts(): readonly [number, number] {
    const counts = this.#countsOf();
    // A lazy repeat finds the same whole names.
    if (counts[0] !== 1 || counts[1] !== 1) this.#takes('?');
    if (/^[*+?]|^\{\d/.test(this.text.slice(this.#at)) && (counts[0] !== 1 || counts[1] !== 1))
      throw new NoPattern();
    return counts;
  }

  #countsOf(): readonly [number, number] {
    if (this.#takes('*')) return [0, Infinity];
    if (this.#takes('+')) return [1, Infinity];
    if (this.#takes('?')) return [0, 1];
    const counted = /^\{(\d{1,3})(,(\d{0,3}))?\}/.exec(this.text.slice(this.#at));
    if (counted === null) return [1, 1];
    const [all, low, range, high] = counted;
    this.#at += all.length;
    const least = Number(low);
    const most = range === undefined ? least : high === undefined || high === '' ? Infinity : Number(high);
    if (most < least) throw new NoPattern();
    return [least, most];
  }

  #atom(): Piece {
    const character = this.text.charAt(this.#at);
    this.#at += 1;
    const one = (takes: State['takes'], only: State['only'] = null): Piece => {
      const last = this.#state(null);
      return { first: this.#state(takes, only, [last]), last };
    };
    switch (character) {
      case '(': {
        if (this.#takes('?') && !this.#takes(':')) throw new NoPattern();
        this.#depth += 1;
        if (this.#depth > maxDepth) throw new NoPattern();
        const piece = this.#choice();
        this.#depth -= 1;
        if (!this.#takes(')')) throw new NoPattern();
        return piece;
      }
      case '.':
        return one((other) => other !== '\n');
      case '^':
        return one(null, 'begin');
      case '$':
        return one(null, 'end');
      case '[':
        return one(this.#set());
      case '\\':
        return one(this.#escaped());
      case '*':
      case '+':
      case '?':
        throw new NoPattern();
      default:
        return one((other) => other === character);
    }
  }

  #escaped(): (character: string) => boolean {
    const character = this.text.charAt(this.#at);
    this.#at += 1;
    const known = classes[character];
    if (known !== undefined) return known;
    if (character === '' || /[A-Za-z0-9]/.test(character)) throw new NoPattern();
    return (other) => other === character;
  }

  #set(): (character: string) => boolean {
    const isNot = this.#takes('^');
    const tests: ((character: string) => boolean)[] = [];
    for (let begin = this.#at; this.#at === begin || this.text.charAt(this.#at) !== ']';) {
      const character = this.text.charAt(this.#at);
      this.#at += 1;
      if (character === '') throw new NoPattern();
      const range = /^-([^\]\\])/.exec(this.text.slice(this.#at))?.[1];
      if (character === '\\') tests.push(this.#escaped());
      else if (range !== undefined) {
        this.#at += 2;
        tests.push((other) => other >= character && other <= range);
      } else tests.push((other) => other === character);
    }
    this.#at += 1;
    return (character) => tests.some((test) => test(character)) !== isNot;
  }
}
