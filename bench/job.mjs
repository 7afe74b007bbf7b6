// The whole job as a user has it, by phases: open the page, look, Start, train, export. It drives the built
// app in Chromium and listens at the border between page and worker, whose messages name the phases, so that
// an older checkout is measured in the same way, side by side.
//
//   npm run bench -- --job [--model DIR] [--data DIR] [--recipe FILE] [--look SECONDS] [--again]
//                          [--against DIR] [--turns SECONDS,SECONDS] [--repeat N] [--json FILE]
//
// Seconds are wall time and mean little on a shared machine; CPU seconds are those of the page's process with
// its workers (`cpuSeconds`) and of the GPU process (`gpuCpuSeconds`).
import { existsSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from '@playwright/test';
import { cpuMs } from './browser.mjs';
import { quietFlags } from '../scripts/setup/browser-flags.mjs';
import { root } from '../scripts/setup/paths.mjs';
import { Turns } from './turns.mjs';

/**
 * @typedef {{ name: string, seconds: number, cpuSeconds: number, gpuCpuSeconds: number }} JobPhase
 * @typedef {{ phases: JobPhase[], totalSeconds: number, totalCpuSeconds: number, firstStepSeconds: number,
 * firstStepCpuSeconds: number, again: { firstStepSeconds: number, firstStepCpuSeconds: number } | null,
 * steps: number, validation: number | null, device: string }} JobTimes
 * @typedef {{ model?: string | undefined, data?: string | undefined, recipe?: string | undefined, look:
 *   number, again: boolean }} JobSetting
 * @typedef {{ label: string, at: number, cpu: number, gpu: number }} Mark
 */

/** Runs in the page before its scripts: tells of every message of its worker that begins or ends a phase. */
function listen() {
  const page = /** @type {any} */ (globalThis);
  const Original = page.Worker;
  let last = '';
  const mark = (/** @type {string} */ label, /** @type {unknown} */ detail) => {
    // Telling takes time of the page: a step is no news after another.
    if (label === last || (label === 'training' && last === 'steps')) return;
    last = label;
    void page.graftMark(label, performance.timeOrigin + performance.now(), detail ?? null);
  };
  page.Worker = class extends Original {
    constructor(/** @type {any} */ url, /** @type {any} */ options) {
      super(url, options);
      this.addEventListener('message', (/** @type {any} */ { data }) => {
        if (data?.kind === 'reply')
          mark(`reply ${data.name}`, data.name === 'exportModel' ? null : data.result);
        // Builds before this one send each event alone.
        for (const { kind, phase } of data?.events ?? (data?.kind === 'event' ? [data.event] : [])) {
          if (kind === 'steps') mark('steps', null);
          if (kind === 'phase')
            mark(phase.kind === 'preparing' ? `preparing ${phase.what}` : phase.kind, phase.fault);
        }
      });
    }
  };
}

/**
 * Serves the build of a checkout, made where it is missing or old.
 * @param {string} checkout
 */
async function served(checkout) {
  const part = (/** @type {string} */ name) =>
    import(pathToFileURL(path.join(checkout, 'scripts', 'setup', name)).href);
  const { buildApp } = await part('build.mjs');
  await buildApp((/** @type {string} */ line) => console.error(`${checkout}: ${line}`));
  const { serveApp } = await part('serve.mjs');
  return /** @type {Promise<{ url: string, close: () => Promise<void> }>} */ (serveApp(0));
}

/**
 * One job in a browser of its own, with nothing kept from an earlier one.
 * @param {string} url
 * @param {JobSetting} setting
 * @param {{ turns: Turns, seconds: number } | null} turn with whom it takes turns, and how long its own are
 * @returns {Promise<JobTimes>}
 */
async function runJob(url, { model, data, recipe, look, again }, turn) {
  const executable = process.env['GRAFT_CHROMIUM'] ?? '/usr/bin/chromium';
  const gpuArgs = process.env['GRAFT_CHROMIUM_ARGS'];
  const server = await chromium.launchServer({
    args: [
      ...quietFlags,
      ...['--enable-unsafe-webgpu', '--enable-features=Vulkan'],
      ...(gpuArgs ?? '--use-webgpu-adapter=swiftshader').split(' ').filter(Boolean),
    ],
    ...(gpuArgs === undefined ? {} : { ignoreDefaultArgs: ['--disable-gpu'] }),
    ...(existsSync(executable) ? { executablePath: executable } : {}),
  });
  const browser = await chromium.connect(server.wsEndpoint());
  // Its processes are a group of their own, that of the browser's.
  const place = turn?.turns.join(server.process().pid ?? 0, turn.seconds) ?? null;
  const clock = place?.running ?? Date.now;
  try {
    const session = await browser.newBrowserCDPSession();
    const cpu = async () => {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      const sum = (/** @type {string} */ type) =>
        processInfo
          .filter((process) => process.type === type)
          .reduce((total, { id, cpuTime }) => total + (cpuMs(id) ?? 1000 * cpuTime), 0) / 1000;
      return { cpu: sum('renderer'), gpu: sum('GPU') };
    };
    const stopped = () => Date.now() - clock();
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    /** @type {Mark[]} */
    const marks = [];
    /** @type {any} */
    let run = null;
    let hello = null;
    let result = null;
    /** @type {Promise<unknown>} */
    let queue = Promise.resolve();
    const mark = (/** @type {string} */ label, /** @type {number} */ at) =>
      (queue = queue.then(async () => marks.push({ label, at: at - stopped(), ...(await cpu()) })));
    await page.exposeFunction(
      'graftMark',
      (/** @type {string} */ label, /** @type {number} */ at, /** @type {any} */ detail) => {
        if (label === 'reply start' && detail?.ok) run = detail.value;
        if (label === 'reply hello' && detail?.ok) hello = detail.value;
        if (label === 'reply result' && detail?.ok) result = detail.value;
        if (label === 'failed') failure = JSON.stringify(detail);
        return mark(label, at);
      },
    );
    /** @type {string | null} */
    let failure = null;
    const seen = async (/** @type {string} */ label, /** @type {number} */ count = 1) => {
      for (;;) {
        await queue;
        if (marks.filter((m) => m.label === label).length >= count) return;
        if (failure !== null) throw new Error(`The run failed: ${failure}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    await page.addInitScript(listen);
    await mark('page', Date.now());
    await page.goto(url);
    let opened = 1;
    await Promise.all([seen('reply openModel'), seen('reply openData')]);
    /** Shows a place of the app; a build of one page has none. */
    const show = async (/** @type {string} */ place) => {
      const link = page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: place });
      if ((await link.count()) > 0) await link.click();
    };
    const own = async (
      /** @type {string} */ pick,
      /** @type {string | undefined} */ given,
      /** @type {string} */ kind,
    ) => {
      if (given === undefined) return;
      opened = marks.filter(({ label }) => label === `reply ${kind}`).length;
      await mark(`own ${kind}`, Date.now());
      await show(kind === 'openModel' ? 'Model' : 'Images');
      const input = page.getByTestId(
        `${pick}-${statSync(given).isDirectory() ? 'folder' : kind === 'openModel' ? 'files' : 'zip'}`,
      );
      await input.setInputFiles(given);
      await seen(`reply ${kind}`, opened + 1);
    };
    await own('pick-model', model, 'openModel');
    await own('pick-images', data, 'openData');
    await show('Train');
    if (recipe !== undefined) await page.getByTestId('pick-recipe').setInputFiles(recipe);
    await page.waitForTimeout(300);
    await mark('look', Date.now());
    for (const until = clock() + 1000 * look; clock() < until;) await page.waitForTimeout(20);
    const button = (/** @type {string} */ name) => page.getByRole('button', { name, exact: true });
    await mark('click', Date.now());
    await button('Start').click();
    await seen('finished');
    if (again) {
      await mark('again', Date.now());
      await button('Start').click();
      // Asked only where the last run would be lost by it.
      if (await button('Start a new run').isVisible()) await button('Start a new run').click();
      await seen('steps', marks.filter(({ label }) => label === 'steps').length + 1);
      await seen('finished', 2);
    }
    await mark('export', Date.now());
    await show('Take home');
    await button('Merge & export').click();
    await button('Write and prove').click();
    await seen('reply exportModel');
    await mark('end', Date.now());
    await queue;
    return timesOf(marks, { run, hello, result });
  } finally {
    place?.leave();
    await browser.close();
    await server.close();
  }
}

/** Marks of the page and their words in the table; others keep their own. */
/** @type {Readonly<Record<string, string>>} */
const words = {
  page: 'page and worker',
  'reply hello': 'model and images open',
  'own openModel': 'own model opens',
  'own openData': 'own images open',
  look: 'looking, before Start',
  click: 'Start pressed',
  training: 'training',
  steps: 'training',
  evaluating: 'evaluating',
  export: 'export',
};

/**
 * What lies between marks, under the words of the mark that began it.
 * @param {readonly Mark[]} marks
 * @param {{ run: any, hello: any, result: any }} told
 * @returns {JobTimes}
 */
export function timesOf(marks, { run, hello, result }) {
  const at = (/** @type {string} */ label) => {
    const found = marks.find((mark) => mark.label === label);
    if (found === undefined) throw new Error(`The job ended without "${label}".`);
    return found;
  };
  const between = (/** @type {Mark} */ from, /** @type {Mark} */ to) => ({
    seconds: (to.at - from.at) / 1000,
    cpuSeconds: to.cpu - from.cpu,
    gpuCpuSeconds: to.gpu - from.gpu,
  });
  const firstStepAfter = (/** @type {Mark} */ from) => {
    const step = marks.find((mark, i) => i > marks.indexOf(from) && mark.label === 'steps');
    const taken = between(from, step ?? at('finished'));
    return { firstStepSeconds: taken.seconds, firstStepCpuSeconds: taken.cpuSeconds + taken.gpuCpuSeconds };
  };
  /** @type {Map<string, JobPhase>} */
  const phases = new Map();
  const secondRun = marks.find(({ label }) => label === 'again');
  let name = '';
  marks.forEach((mark, i) => {
    const next = marks[i + 1];
    if (mark.label.startsWith('preparing ')) name = mark.label.slice('preparing '.length);
    else if (!mark.label.startsWith('reply ') || mark.label === 'reply hello')
      name = words[mark.label] ?? name;
    const isSecond = secondRun !== undefined && i >= marks.indexOf(secondRun) && mark.at < at('export').at;
    if (next === undefined || isSecond || mark.label === 'finished') return;
    const { seconds, cpuSeconds, gpuCpuSeconds } = between(mark, next);
    const sum = phases.get(name) ?? { name, seconds: 0, cpuSeconds: 0, gpuCpuSeconds: 0 };
    sum.seconds += seconds;
    sum.cpuSeconds += cpuSeconds;
    sum.gpuCpuSeconds += gpuCpuSeconds;
    phases.set(name, sum);
  });
  const parts = [...phases.values()];
  const total = (/** @type {'seconds' | 'cpuSeconds' | 'gpuCpuSeconds'} */ key) =>
    parts.reduce((sum, phase) => sum + phase[key], 0);
  return {
    phases: parts,
    totalSeconds: total('seconds'),
    totalCpuSeconds: total('cpuSeconds') + total('gpuCpuSeconds'),
    ...firstStepAfter(at('click')),
    again: secondRun === undefined ? null : firstStepAfter(secondRun),
    steps: run?.steps ?? 0,
    validation: result?.validation?.accuracy ?? null,
    device: `${run?.engine?.engine} on ${run?.engine?.backend}: ${run?.engine?.adapter}; ${
      hello?.gpu?.kind === 'present' ? hello.gpu.name : 'no WebGPU'
    }`,
  };
}

/**
 * Measures the job of this checkout and of another one, one after the other or by turns; prints a table and writes the
 * JSON.
 * @param {JobSetting & { against?: string | undefined, turns?: readonly number[] | undefined, repeat: number,
 *   json?: string | undefined }} setting
 */
export async function benchJob({ against, turns: seconds, repeat, json, ...setting }) {
  if (
    seconds !== undefined &&
    !(against !== undefined && seconds.length === 2 && seconds.every((one) => one > 0))
  )
    throw new Error('--turns takes seconds of each of two builds, such as 3,13, and needs --against.');
  const checkouts = [root, ...(against === undefined ? [] : [path.resolve(against)])];
  const servers = [];
  for (const checkout of checkouts) servers.push(await served(checkout));
  /** @type {JobTimes[][]} */
  const times = checkouts.map(() => []);
  try {
    for (let round = 0; round < repeat; round++) {
      const turns = seconds === undefined ? null : new Turns();
      const jobs = servers.map(({ url }, i) => async () => {
        const own = seconds?.[i];
        const turn = turns === null || own === undefined ? null : { turns, seconds: own };
        times[i]?.push(await runJob(url, setting, turn));
        const [first] = times;
        if (json !== undefined && first?.[0] !== undefined)
          await writeFile(
            json,
            `${JSON.stringify({ ...median(first), setting, runs: times[0], against: times[1] ?? null }, null, 1)}\n`,
          );
      });
      if (turns !== null) await Promise.all(jobs.map((job) => job()));
      else for (const job of jobs) await job();
    }
  } finally {
    for (const { close } of servers) await close();
  }
  print(times.map(median));
}

/**
 * The run whose CPU time is the middle one.
 * @param {readonly JobTimes[]} runs
 * @returns {JobTimes}
 */
function median(runs) {
  const sorted = [...runs].sort((a, b) => a.totalCpuSeconds - b.totalCpuSeconds);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) throw new Error('Nothing was measured: --repeat takes 1 and more.');
  return middle;
}

/** @param {readonly JobTimes[]} columns this checkout, and the other */
function print(columns) {
  const names = [...new Set(columns.flatMap(({ phases }) => phases.map(({ name }) => name)))];
  const cell = (/** @type {number} */ seconds, /** @type {number} */ cpu) =>
    `${seconds.toFixed(1)} s (${cpu.toFixed(1)} CPU)`.padStart(22);
  const row = (/** @type {string} */ name, /** @type {(times: JobTimes) => [number, number]} */ read) => {
    const read2 = columns.map(read);
    const [mine, other] = read2;
    const share = mine && other && other[1] > 0 ? `${(100 * (mine[1] / other[1])).toFixed(0)} % of CPU` : '';
    console.log(name.padEnd(34), ...read2.map(([s, c]) => cell(s, c)), share.padStart(14));
  };
  console.log('phase'.padEnd(34), ...['this', 'against'].slice(0, columns.length).map((c) => c.padStart(22)));
  for (const name of names)
    row(name, ({ phases }) => {
      const phase = phases.find((one) => one.name === name);
      return [phase?.seconds ?? 0, (phase?.cpuSeconds ?? 0) + (phase?.gpuCpuSeconds ?? 0)];
    });
  row('all', ({ totalSeconds, totalCpuSeconds }) => [totalSeconds, totalCpuSeconds]);
  row('click to first step', (times) => [times.firstStepSeconds, times.firstStepCpuSeconds]);
  if (columns.every(({ again }) => again !== null))
    row('second Start to first step', ({ again }) => [
      again?.firstStepSeconds ?? 0,
      again?.firstStepCpuSeconds ?? 0,
    ]);
  for (const { device, steps, validation } of columns)
    console.log(`${device}; ${steps} steps, validation ${validation?.toFixed(3) ?? '-'}`);
}
