// The kinds of options of a run, and what is said of each: the type of an entry of the table (options.ts).
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
