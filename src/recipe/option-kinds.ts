// The kinds of options of a run, and what is said of each: the type of an entry of the table (options.ts),
// and the types that follow from a table of them.
import type { GroupName } from './option-groups.ts';

/** Conditions under which an option counts: each of these other options has one of these values. */
type When = Readonly<Record<string, readonly (string | number | null)[]>>;

interface Described {
  readonly label: string;
  /** What it does, in a sentence. */
  readonly help: string;
  readonly group: GroupName;
  readonly when?: When;
  /** Why continue.py does not follow it; absent where it does. */
  readonly notInPython?: string;
  /** With `notInPython`: the values that it follows all the same, or that ask nothing of it. */
  readonly inPython?: readonly (string | number | null)[];
}

export interface NumberOption extends Described {
  readonly kind: 'number';
  readonly default: number | null;
  /** Its limits: `least` and `most` are allowed themselves, `above` and `below` are not. */
  readonly least?: number;
  readonly above?: number;
  readonly most?: number;
  readonly below?: number;
  readonly whole?: true;
  /** What null in a recipe and an empty field of the form mean; without it a number is needed. */
  readonly empty?: string;
  /** A share of the form in percent. */
  readonly percent?: true;
  readonly unit?: string;
  /** Values that the field of the form offers; others are as good. */
  readonly offered?: readonly number[];
}

interface ChoiceOption extends Described {
  readonly kind: 'choice';
  readonly default: string | number;
  readonly choices: readonly (readonly [value: string | number, label: string])[];
}

interface TextOption extends Described {
  readonly kind: 'text';
  readonly default: string;
  /** Longest text in characters. */
  readonly most: number;
  /** What no text means. */
  readonly empty: string;
}

export type Option = NumberOption | ChoiceOption | TextOption;

/** Numbers that can be chosen, each its own label. */
export const counts = (...values: readonly number[]): (readonly [number, string])[] =>
  values.map((value) => [value, String(value)]);

/** The values that an option may have. */
export type ValueOf<O> = O extends { readonly choices: readonly (readonly [infer V, string])[] }
  ? V extends number
    ? number
    : V
  : O extends { readonly kind: 'text' }
    ? string
    : O extends { readonly empty: string }
      ? number | null
      : number;

/** The fields below a name, without it. */
type Below<T, Name extends string> = {
  [P in keyof T as P extends `${Name}.${infer Rest}` ? Rest : never]: T[P];
};
type FirstName<P> = P extends `${infer Name}.${string}` ? Name : P;
/** Dotted fields as nested ones; fields 0 and 1 are a pair. */
export type Nested<T> = T extends { readonly '0': infer A; readonly '1': infer B }
  ? readonly [A, B]
  : {
      readonly [Name in FirstName<keyof T & string>]: Name extends keyof T ? T[Name] : Nested<Below<T, Name>>;
    };
