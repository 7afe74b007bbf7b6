// Starting other programs: npm and the tools that it installs, the same way on every system.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './paths.mjs';

/**
 * Runs a program in the repository's root and resolves with its exit code; 127 when it could not be started
 * and 124 when it took longer than `limitMs`.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, quiet?: boolean, toStderr?: boolean, limitMs?: number }} [options]
 * @returns {Promise<number>}
 */
export function runProgram(program, args, { env = {}, quiet = false, toStderr = false, limitMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', quiet ? 'ignore' : toStderr ? 2 : 'inherit', quiet ? 'ignore' : 'inherit'],
    });
    let late = false;
    const timer =
      limitMs === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            child.kill('SIGKILL');
          }, limitMs);
    child.on('error', () => resolve(127));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(late ? 124 : (code ?? 1));
    });
  });
}

/**
 * Runs npm: the one that started this process, or the one that lies beside Node.
 * @param {readonly string[]} args
 * @param {Parameters<typeof runProgram>[2]} [options]
 */
export function runNpm(args, options) {
  const cli = process.env['npm_execpath'];
  if (cli?.endsWith('.js') === true) return runProgram(process.execPath, [cli, ...args], options);
  // On Windows npm is a batch file, which only the command interpreter can start.
  if (process.platform === 'win32') return runProgram('cmd.exe', ['/d', '/s', '/c', 'npm', ...args], options);
  return runProgram('npm', args, options);
}

/**
 * Runs a command-line tool of node_modules with this Node.
 * @param {string} script path of the tool's script inside node_modules
 * @param {readonly string[]} args
 * @param {Parameters<typeof runProgram>[2]} [options]
 */
export function runTool(script, args, options) {
  return runProgram(process.execPath, [join(root, 'node_modules', script), ...args], options);
}
