// Split words: which split a folder, an archive or a table names with a word inside its name ("seg_train",
// "val2017", "testSet"). Whole words only: a train station is no training set by its letters, but may be one
// by its words.
import type { SplitName } from './import-report.ts';

const roles: Readonly<Record<SplitName, string>> = {
  train: 'train training trn trainval',
  validation: 'val valid validation validate dev devel',
  test: 'test testing tst eval evaluation holdout heldout',
};
const roleOf = new Map<string, SplitName>(
  (['train', 'validation', 'test'] as const).flatMap((split) =>
    roles[split].split(' ').map((word) => [word, split] as const),
  ),
);

/** Words that say nothing beside a split's. */
const fillers = new Set(
  'set sets split subset part data dataset datasets image images img imgs picture pictures pic pics photo photos file files folder dir raw all full new final a x y the of for and'.split(
    ' ',
  ),
);
const compound = new RegExp(
  `^(${[...roleOf.keys()].join('|')})(${[...fillers].filter((word) => word.length > 2).join('|')})$`,
);

export interface NamedSplit {
  readonly split: SplitName;
  /** Whether the rest of the name says nothing: "x_train_images", but not "bullet_train". */
  readonly isPlain: boolean;
}

/** The words of a name in lower case: runs of letters, cut where a capital begins a word. */
export function wordsOf(name: string): string[] {
  return name
    .replace(/(\p{Ll})(?=\p{Lu})/gu, '$1 ')
    .replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1 ')
    .toLowerCase()
    .split(/[^\p{L}\p{M}]+/u)
    .filter((word) => word !== '');
}

/** The split that a name stands for; null where no word names one, or several name different ones. */
export function splitNamed(name: string): NamedSplit | null {
  const found = new Set<SplitName>();
  let isPlain = true;
  for (const word of wordsOf(name)
    .join(' ')
    .replace(/\bh[oe]ld out\b/, 'holdout')
    .split(' ')) {
    if (word === '') continue;
    const role = roleOf.get(compound.exec(word)?.[1] ?? word);
    if (role !== undefined) found.add(role);
    else if (!fillers.has(word)) isPlain = false;
  }
  // Trained and validated on at once is trained on.
  if (found.has('train') && found.has('validation')) found.delete('validation');
  const [split, second] = found;
  return split === undefined || second !== undefined ? null : { split, isPlain };
}

const sessionWords = new Set(
  'session day date week month year night batch run seq sequence clip video scene frame frames camera cam view shot take trial subject patient person user set part fold group site time round rep january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec'.split(
    ' ',
  ),
);
const partWords = new Set(
  'part fold folder split batch set subset chunk shard group round phase domain source target'.split(' '),
);

/** Whether a name is one of a series (a date, a session, a camera) rather than the name of a thing. */
export function isSession(name: string): boolean {
  return /\d/.test(name) && wordsOf(name).every((word) => word.length === 1 || sessionWords.has(word));
}

/** Whether a name is that of a part of a whole: "fold3", "part_b", "2019", "A". */
export function isPart(name: string): boolean {
  return wordsOf(name).every((word) => word.length === 1 || partWords.has(word));
}

const maskWords = new Set(
  'mask masks truth groundtruth gt annotation annotations segmentation segmentations depth heatmap'.split(
    ' ',
  ),
);

/** Whether a name is that of what belongs to the images and is none to learn from: masks, depths. */
export function isMask(name: string): boolean {
  return wordsOf(name).some((word) => maskWords.has(word));
}
