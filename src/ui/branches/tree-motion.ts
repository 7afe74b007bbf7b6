// How the branches of the map come to their lengths: a change that is seen grows for half a second, a branch that
// has just been dropped falls. Pure arithmetic over time, in milliseconds.

/**
 * What moves: everything; only what falls, which is seldom, where frames are taken from a run on the same processor;
 * or nothing, where moments of the run are gone through or less motion is wanted.
 */
export type Motion = 'all' | 'falls' | 'none';

/** A branch as it is to stand. */
export interface LimbAim {
  readonly key: string;
  /** Share of the full length, 0 to 1. */
  readonly length: number;
  readonly dropped: boolean;
}

interface Limb {
  readonly from: number;
  readonly to: number;
  readonly since: number;
  /** When it was dropped before our eyes; null while it lives, and where it was gone when first seen. */
  readonly fallsSince: number | null;
  readonly dropped: boolean;
}

const growMs = 500;
const fallMs = 1400;
/** A smaller change of a length is not drawn out. */
const seenPixels = 3;

const easeOut = (t: number): number => 1 - (1 - t) ** 2;

export class TreeMotion {
  #limbs: ReadonlyMap<string, Limb> = new Map();
  #motion: Motion = 'none';
  #restsAt = 0;

  /**
   * Takes over how the branches are to stand from `now` on.
   *
   * @param reach pixels of a branch of full length.
   */
  aim(limbs: readonly LimbAim[], motion: Motion, reach: number, now: number): void {
    // To a moment of the run, and back from it, is a leap.
    const grows = motion === 'all' && this.#motion === 'all';
    const falls = motion !== 'none' && this.#motion !== 'none';
    const aimed = new Map<string, Limb>();
    let restsAt = now;
    for (const { key, length, dropped } of limbs) {
      const former = this.#limbs.get(key);
      if (dropped) {
        const fallsSince = !falls || former === undefined ? null : former.dropped ? former.fallsSince : now;
        // It falls as long as it was, whatever is known of its strength since.
        const last = former === undefined ? length : this.#lengthOf(former, now);
        aimed.set(key, { from: last, to: last, since: now, fallsSince, dropped });
        if (fallsSince !== null) restsAt = Math.max(restsAt, fallsSince + fallMs);
        continue;
      }
      const isGoing = former?.to === length && now < former.since + growMs;
      if (grows && isGoing) {
        aimed.set(key, former);
        if (former.from !== former.to) restsAt = Math.max(restsAt, former.since + growMs);
      } else {
        const from = grows && former !== undefined ? this.#lengthOf(former, now) : length;
        const isSeen = Math.abs(length - from) * reach >= seenPixels;
        aimed.set(key, { from: isSeen ? from : length, to: length, since: now, fallsSince: null, dropped });
        if (isSeen) restsAt = Math.max(restsAt, now + growMs);
      }
    }
    this.#limbs = aimed;
    this.#motion = motion;
    this.#restsAt = restsAt;
  }

  #lengthOf({ from, to, since }: Limb, now: number): number {
    return from + (to - from) * easeOut(Math.min(1, Math.max(0, (now - since) / growMs)));
  }

  /** Share of the full length that a branch has, 0 to 1. */
  length(key: string, now: number): number {
    const limb = this.#limbs.get(key);
    return limb === undefined ? 0 : this.#lengthOf(limb, now);
  }

  /** How far a branch has fallen, 0 to 1; null where it does not. */
  fall(key: string, now: number): number | null {
    const since = this.#limbs.get(key)?.fallsSince ?? null;
    if (since === null) return null;
    const fallen = Math.max(0, (now - since) / fallMs);
    return fallen < 1 ? fallen : null;
  }

  /** Whether a later frame looks different. */
  isMoving(now: number): boolean {
    return now < this.#restsAt;
  }
}
