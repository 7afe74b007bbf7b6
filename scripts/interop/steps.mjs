// A long run in steps: for each stage and family the lines of its checks, kept in the work folder as they
// come, so that a run that was cut goes on (`--resume`) where it stood. What a stage is does not matter here.
import { appendFileSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @typedef {object} Steps
 * @property {(stage: string, families: readonly string[]) => readonly string[]} remaining families that the
 *   stage has not finished; the lines of the others are told again
 * @property {(stage: string) => (line: string) => void} record takes a stage's lines as they come;
 *   `{"done": FAMILY}` ends one
 */

/**
 * @param {string} folder
 * @param {boolean} resume
 * @param {(line: string) => void} tell takes every line of a check, once
 * @returns {Promise<Steps>}
 */
export async function openSteps(folder, resume, tell) {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'steps.jsonl');
  if (!resume) await rm(file, { force: true });
  /** @type {Map<string, string[]>} */
  const finished = new Map();
  /** @type {Map<string, string[]>} */
  const begun = new Map();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const entry of text.split('\n').filter((line) => line.endsWith('}'))) {
    const { stage, line } = JSON.parse(entry);
    const { done, family } = JSON.parse(line);
    const key = `${stage} ${done ?? family}`;
    if (done === undefined) begun.set(key, [...(begun.get(key) ?? []), line]);
    else {
      finished.set(key, begun.get(key) ?? []);
      begun.delete(key);
    }
  }
  return {
    remaining: (stage, families) =>
      families.filter((family) => {
        const lines = finished.get(`${stage} ${family}`);
        // A check that stands twice was taken again after a cut.
        if (lines !== undefined)
          for (const line of new Map(lines.map((line) => [JSON.parse(line).check, line])).values())
            tell(line);
        return lines === undefined;
      }),
    record: (stage) => (line) => {
      if (!line.startsWith('{')) return;
      appendFileSync(file, `${JSON.stringify({ stage, line })}\n`);
      if (JSON.parse(line).done === undefined) tell(line);
    },
  };
}
