// Finding a Python that has the libraries, and running scripts in it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** @typedef {{ path: string, versions: Record<string, string> }} Python */

const wanted = [
  'torch',
  'transformers',
  'peft',
  'safetensors',
  'onnx',
  'onnxruntime',
  'pillow',
  'timm',
  'torchvision',
  'accelerate',
];
const probe = `
import importlib.metadata as m, json
found = {}
for name in ${JSON.stringify(wanted)}:
    try: found[name] = m.version(name)
    except m.PackageNotFoundError: pass
print(json.dumps(found))`;

/**
 * Runs a program and collects its output.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ limitMs?: number, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void }} [options]
 * @returns {Promise<{ code: number, out: string, err: string }>} 127 when it could not be started, 124 when
 *   it printed nothing on its standard output for too long
 */
export function collect(program, args, { limitMs = 600_000, env = {}, onLine } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err, rest] = ['', '', ''];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      timer.refresh();
      out += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (onLine !== undefined) lines.forEach(onLine);
    });
    child.stderr.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      err = (err + text).slice(-20_000);
    });
    child.on('error', () => resolve({ code: 127, out, err }));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: late ? 124 : (code ?? 1), out, err });
    });
  });
}

/**
 * @param {string | undefined} path
 * @returns {Promise<Python | null>}
 */
async function inspect(path) {
  if (path === undefined || path === '') return null;
  const { code, out } = await collect(path, ['-c', probe], { limitMs: 60_000 });
  if (code !== 0) return null;
  return { path, versions: /** @type {Record<string, string>} */ (JSON.parse(out)) };
}

/**
 * The interpreters: GRAFT_PYTHON, else python3 or python; for timm GRAFT_PYTHON_TIMM, else the same one.
 * @returns {Promise<{ main: Python | null, timm: Python | null }>}
 */
export async function findPythons() {
  const main =
    process.env['GRAFT_PYTHON'] === undefined
      ? ((await inspect('python3')) ?? (await inspect('python')))
      : await inspect(process.env['GRAFT_PYTHON']);
  const second = process.env['GRAFT_PYTHON_TIMM'];
  return { main, timm: second === undefined ? main : await inspect(second) };
}

/**
 * Which of the packages an interpreter lacks.
 * @param {Python | null} python
 * @param {readonly string[]} packages
 */
export function lacking(python, packages) {
  return python === null ? ['Python'] : packages.filter((name) => python.versions[name] === undefined);
}

/**
 * Runs a script of this folder, on one thread and without a network.
 * @param {Python} python
 * @param {string} script
 * @param {readonly string[]} args
 * @param {Parameters<typeof collect>[2]} [options]
 */
export function runPython({ path }, script, args, options) {
  return collect(path, [join(import.meta.dirname, script), ...args], {
    ...options,
    env: { OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error', ...options?.env },
  });
}
