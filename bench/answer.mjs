// How a case in a process of its own tells its outcome: one marked line of JSON among whatever else is
// printed.
import { spawn } from 'node:child_process';

const mark = '\u0001answer ';

/**
 * Runs a file of Node's and gives its answer; rejects with its error in a line.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {number} limitMs after which it is ended
 * @returns {Promise<any>}
 */
export function answerOf(file, args, limitMs = Infinity) {
  return new Promise((resolve, reject) => {
    const timeout = Number.isFinite(limitMs)
      ? { timeout: limitMs, killSignal: /** @type {const} */ ('SIGKILL') }
      : {};
    const running = spawn(process.execPath, [file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...timeout,
    });
    let [out, errors] = ['', ''];
    running.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    running.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
    running.on('error', reject);
    running.on('close', (code, signal) => {
      const line = out.split('\n').findLast((one) => one.startsWith(mark));
      if (line !== undefined) resolve(JSON.parse(line.slice(mark.length)));
      else if (signal === 'SIGKILL' && Number.isFinite(limitMs))
        reject(new Error(`ended after ${Math.round(limitMs / 1000)} s, all the time that it had`));
      else reject(new Error(reasonOf(errors) ?? `the process ended with ${signal ?? `code ${code ?? '?'}`}`));
    });
  });
}

/** The line of standard error that names what went wrong. @param {string} errors */
function reasonOf(errors) {
  return errors
    .split('\n')
    .find((line) => /Error|"kind"/.test(line))
    ?.trim();
}

/** Prints the answer and ends the process. @param {object} value */
export function answerWith(value) {
  process.stdout.write(`${mark}${JSON.stringify(value)}\n`, () => process.exit(0));
}
