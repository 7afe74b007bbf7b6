// The runs of an ablation that are done, as files, and the work through those that are not. A record is there
// as a whole or not at all: whatever ends the command, the next one goes on from what is there.
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { Trial } from '../../src/lab/arms.ts';
import { isOf, keyOf, readRecord, type TrialRecord } from '../../src/lab/trial-record.ts';

/** Writes a file under another name first, and moves it to its place when all of it is on the disk. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const handle = await open(`${file}.part`, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.part`, file);
}

/** The same work whenever it is asked for, never twice at a time: each begins when the one before has ended. */
export function inTurn<T>(work: () => Promise<T>): () => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}

/** A name as a part of a file's. */
const slug = (name: string): string => name.replace(/[^\p{L}\p{N}.]+/gu, '-').replace(/^[-.]+|-+$/g, '');

/** A record, with the key that it has for this build. */
interface Known {
  readonly key: string;
  readonly record: TrialRecord;
}

export class Records {
  readonly #known: Known[] = [];
  /** Files that are no records, and why, a sentence each. */
  readonly damaged: string[] = [];

  private constructor(private readonly folder: string) {}

  /** The records in a folder, which is made where it is missing. */
  static async open(folder: string): Promise<Records> {
    const records = new Records(folder);
    await mkdir(folder, { recursive: true });
    for (const name of (await readdir(folder)).sort()) {
      if (!name.endsWith('.json')) continue;
      const read = readRecord(await readFile(path.join(folder, name), 'utf8'));
      if (read.ok) await records.#add(read.value);
      else records.damaged.push(`${path.join(folder, name)} is no record of a run: ${read.fault}`);
    }
    return records;
  }

  async #add(record: TrialRecord): Promise<void> {
    this.#known.push({ key: await keyOf(record, record.decidedBy), record });
  }

  /** The record that was made of exactly this; the newest, where an older build made one too. */
  find(key: string): TrialRecord | null {
    return this.#newest((known) => known.key === key);
  }

  /** The newest record of the same place in the grid that was decided by something else. */
  outdated(trial: Trial, key: string): TrialRecord | null {
    return this.#newest((known) => known.key !== key && isOf(known.record, trial));
  }

  #newest(isMeant: (known: Known) => boolean): TrialRecord | null {
    const meant = this.#known.filter(isMeant).map(({ record }) => record);
    return meant.sort((a, b) => (a.endedAt < b.endedAt ? 1 : -1))[0] ?? null;
  }

  async write(record: TrialRecord): Promise<void> {
    const { set, shots, arm, seed, key } = record;
    const few = shots === null ? '' : `${shots}-a-class_`;
    const name = `${slug(set)}_${few}${slug(arm)}_seed-${seed}_${key.slice(0, 12)}.json`;
    await writeWhole(path.join(this.folder, name), `${JSON.stringify(record, null, 2)}\n`);
    await this.#add(record);
  }
}

/**
 * Works through a list, so many at a time, in its order. When the signal aborts nothing further begins, and what is
 * under way is waited for.
 *
 * @param work is told which of so many does it, from 0; its rejection is told to `failed`, and ends nothing.
 */
export async function workThrough<T>(
  list: readonly T[],
  jobs: number,
  signal: AbortSignal,
  work: (item: T, place: number) => Promise<void>,
  failed: (item: T, thrown: unknown) => void,
): Promise<void> {
  const waiting = [...list];
  const workers = Array.from({ length: Math.min(jobs, waiting.length) }, async (_, place) => {
    while (!signal.aborted) {
      const item = waiting.shift();
      if (item === undefined) return;
      await work(item, place).catch((thrown: unknown) => failed(item, thrown));
    }
  });
  await Promise.all(workers);
}
