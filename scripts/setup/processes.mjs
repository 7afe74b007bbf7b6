// The processes of a browser that a script started, by its profile, and what they have computed (Linux).
import { readdir, readFile } from 'node:fs/promises';

const numbersIn = async (/** @type {string} */ folder) =>
  (await readdir(folder).catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
const textOf = (/** @type {string} */ path) => readFile(path, 'utf8').catch(() => '');

/**
 * The browser that has this profile, and every process below it.
 * @param {string} profile
 */
export async function processesOf(profile) {
  /** @type {Map<number, number>} */
  const parents = new Map();
  /** @type {Set<number>} */
  const found = new Set();
  for (const pid of await numbersIn('/proc')) {
    const [command, stat] = await Promise.all(
      ['cmdline', 'stat'].map((file) => textOf(`/proc/${pid}/${file}`)),
    );
    parents.set(pid, Number(/^.*\) \S+ (\d+)/s.exec(stat ?? '')?.[1] ?? 0));
    if ((command ?? '').split('\0').includes(`--user-data-dir=${profile}`)) found.add(pid);
  }
  for (let before = -1; before < found.size;) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Ticks of the kernel's clock in a second; the same on every Linux that browsers run on. */
const ticks = 100;

/**
 * Seconds that the processes of a browser have computed.
 * @param {string} profile
 */
export async function processorSeconds(profile) {
  let seconds = 0;
  for (const pid of await processesOf(profile)) {
    const fields = (/^.*\) (.*)$/s.exec(await textOf(`/proc/${pid}/stat`))?.[1] ?? '').split(' ');
    seconds += (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticks;
  }
  return seconds;
}
