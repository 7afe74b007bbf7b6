// The time between Start and the first step as one bar: what is being done now, how much of all of it is
// done, and about how many seconds are left, from what each part was expected to take and how far it is. Pure
// but for the clock that it is given.
import type { Phase, PreparingPart } from './run-input.ts';

type Preparing = Extract<Phase, { kind: 'preparing' }>;

/** Parts that go on side by side, one such group after the other. */
const groups = [
  ['decode', 'engine'],
  ['features'],
  ['probe'],
  ['evaluate'],
] as const satisfies readonly (readonly PreparingPart[])[];

interface Going {
  readonly begunAt: number;
  /** What was told last. */
  readonly told: Preparing;
  readonly endedAt: number | null;
}

export class Preparation {
  readonly #begunAt: number;
  readonly #going = new Map<PreparingPart, Going>();
  #share = 0;

  /**
   * @param expected seconds of each part; 0 for one that is not done at all.
   * @param now seconds from any origin.
   */
  constructor(
    private readonly expected: Readonly<Record<PreparingPart, number>>,
    private readonly now: () => number,
  ) {
    this.#begunAt = now();
  }

  /** Notes how far a part is, and gives what to show. */
  told(phase: Preparing): Preparing {
    const { part, done, total } = phase;
    const now = this.now();
    this.#endBefore(part, now);
    const known = this.#going.get(part);
    // The engine's steps are counted each from the beginning: only its end, which is told elsewhere, ends it.
    const isDone = part !== 'engine' && total > 0 && done >= total;
    this.#going.set(part, {
      begunAt: known?.begunAt ?? now,
      told: phase,
      endedAt: known?.endedAt ?? (isDone ? now : null),
    });
    const secondsLeft = this.#secondsLeft(now);
    const elapsed = now - this.#begunAt;
    const share = elapsed + secondsLeft > 0 ? elapsed / (elapsed + secondsLeft) : 0;
    this.#share = Math.max(this.#share, share);
    return { ...this.#shown(phase), share: this.#share, secondsLeft };
  }

  /** Notes that a part is done. */
  ended(part: PreparingPart): void {
    const known = this.#going.get(part);
    if (known !== undefined && known.endedAt === null)
      this.#going.set(part, { ...known, endedAt: this.now() });
  }

  /** Seconds that a part took; null while it goes on. */
  secondsOf(part: PreparingPart): number | null {
    const known = this.#going.get(part);
    return known === undefined || known.endedAt === null ? null : known.endedAt - known.begunAt;
  }

  /** A part that begins ends all that came before it. */
  #endBefore(part: PreparingPart, now: number): void {
    const at = groups.findIndex((group) => group.some((one) => one === part));
    for (const earlier of groups.slice(0, at).flat()) {
      const known = this.#going.get(earlier);
      if (known !== undefined && known.endedAt === null) this.#going.set(earlier, { ...known, endedAt: now });
    }
  }

  #secondsLeft(now: number): number {
    return groups.reduce((sum, group) => sum + Math.max(...group.map((part) => this.#leftOf(part, now))), 0);
  }

  /** By what was expected at first, and more and more by how fast it goes. */
  #leftOf(part: PreparingPart, now: number): number {
    const expected = this.expected[part];
    const going = this.#going.get(part);
    if (going === undefined) return this.#hasPassed(part) ? 0 : expected;
    if (going.endedAt !== null) return 0;
    const elapsed = now - going.begunAt;
    const { done, total } = going.told;
    const share = part === 'engine' || total <= 1 ? 0 : Math.min(1, done / total);
    const asExpected = share > 0 ? (1 - share) * expected : Math.max(expected - elapsed, 0.1 * expected);
    const byPace = share === 0 ? asExpected : (elapsed * (1 - share)) / share;
    return (1 - share) * asExpected + share * byPace;
  }

  /** Whether a later part goes on already: this one was not needed. */
  #hasPassed(part: PreparingPart): boolean {
    const at = groups.findIndex((group) => group.some((one) => one === part));
    return groups.slice(at + 1).some((group) => group.some((later) => this.#going.has(later)));
  }

  /** Of two that go on side by side, the one that can be counted. */
  #shown(phase: Preparing): Preparing {
    const decode = this.#going.get('decode');
    return phase.part === 'engine' && decode !== undefined && decode.endedAt === null ? decode.told : phase;
  }
}
