// How far a measured share can be trusted: Wilson's interval, and the words in which the page and the card
// tell every accuracy. Knows numbers only.

export type Interval = readonly [low: number, high: number];

/** The two-sided 95 % quantile of the normal distribution. */
export const z = 1.959963984540054;

/** Wider than this, an interval holds "good" and "poor" alike. */
const tellingWidth = 0.3;

/** Below so many, people count. */
const few = 20;

/**
 * Wilson's score interval of a share of n independent answers, at 95 % (Wilson 1927). Unlike the normal
 * approximation it stays within [0, 1] and is right at the ends. Of no answers it is [0, 1].
 */
export function shareInterval(share: number, n: number): Interval {
  if (n <= 0) return [0, 1];
  const spread = z * Math.sqrt((share * (1 - share)) / n + (z / (2 * n)) ** 2);
  const centre = share + z ** 2 / (2 * n);
  const whole = 1 + z ** 2 / n;
  return [
    share === 0 ? 0 : Math.max(0, (centre - spread) / whole),
    share === 1 ? 1 : Math.min(1, (centre + spread) / whole),
  ];
}

/**
 * Interval at 95 % of the mean of independent shares, as the mean recall of classes is one: the intervals of the
 * shares, combined by their squares ("MOVER", Zou and Donner 2008, with Wilson's intervals as Newcombe 1998 does).
 * Of no shares it is [0, 1].
 */
export function meanShareInterval(
  shares: readonly { readonly share: number; readonly of: number }[],
): Interval {
  const k = shares.length;
  if (k === 0) return [0, 1];
  const mean = shares.reduce((sum, { share }) => sum + share, 0) / k;
  let [below, above] = [0, 0];
  for (const { share, of } of shares) {
    const [low, high] = shareInterval(share, of);
    below += (share - low) ** 2;
    above += (high - share) ** 2;
  }
  return [mean - Math.sqrt(below) / k, mean + Math.sqrt(above) / k];
}

/** A share with its interval in words, in the parts that a heading may set apart. */
export interface ShareWords {
  /** "53.8 % of 80", or "6 of 6" where they are few. */
  readonly share: string;
  /** "43 to 64 %", and ", too few to tell" where that is too wide to say anything. */
  readonly interval: string;
}

/** Whether an interval is too wide to say anything. */
export const tellsNothing = ([low, high]: Interval): boolean => high - low > tellingWidth;

/** Whether an interval of a difference leaves no room for "none". */
export const isSure = ([low, high]: Interval): boolean => low > 0 || high < 0;

const percent = (share: number, digits: number): string => (100 * share).toFixed(digits);

/** "43 to 64 %". */
export function intervalWords([low, high]: Interval): string {
  return `${percent(low, 0)} to ${percent(high, 0)}\u00a0%`;
}

export function shareWords(share: number, n: number): ShareWords {
  const interval = shareInterval(share, n);
  return {
    share:
      n < few
        ? `${Math.round(share * n)} of ${n}`
        : `${percent(share, 1)}\u00a0% of ${n.toLocaleString('en')}`,
    interval: `${intervalWords(interval)}${tellsNothing(interval) ? ', too few to tell' : ''}`,
  };
}

/**
 * "53.8 % of 80 validation images right: 43 to 64 %".
 *
 * @param images what was asked, as many say it.
 * @param areLearned whether they say nothing of others.
 */
export function accuracyWords(accuracy: number, n: number, images?: string, areLearned = false): string {
  const { share, interval } = shareWords(accuracy, n);
  const right = `${share} ${images === undefined ? '' : `${images} `}right`;
  return areLearned ? `${right}, which were learned as well` : `${right}: ${interval}`;
}
