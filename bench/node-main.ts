// The bench without a browser, as one file: what `--node` and a packed bench run. Each case is a process of
// its own:
//
//   node bench.mjs [--quick] [--cases kernels/vit-b/b32,...] [--kernels [--cases vit-b/b32,...]] [--budget SECONDS]
//                  [--against FOLDER] [--steps N] [--repeat N] [--timestamps] [--profile] [--json FILE]
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf, answerWith } from './answer.mjs';
import { Budget, leftOut } from './budget.mjs';
import { caseName, defaultCases, packPlan, parseCase, torchForms, type Case } from './cases.mjs';
import type { KernelTime } from './kernel-times.ts';
import { runCase, runKernels, runPeak, writeWorkload } from './node-case.ts';
import {
  printKernels,
  printMachine,
  printRows,
  rowsOf,
  runAll,
  saverOf,
  type Outcome,
  type Ran,
} from './report.mjs';
import { cleanTorch, hasCuda, runTorch } from './torch.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    cases: { type: 'string' },
    steps: { type: 'string' },
    repeat: { type: 'string', default: '1' },
    timestamps: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    json: { type: 'string' },
    commit: { type: 'string' },
    kernels: { type: 'boolean', default: false },
    budget: { type: 'string' },
    against: { type: 'string' },
    // Of the children.
    one: { type: 'string' },
    workload: { type: 'string' },
    file: { type: 'string' },
    peak: { type: 'boolean', default: false },
    'kernel-times': { type: 'string' },
  },
});
const here = fileURLToPath(import.meta.url);
const steps = options.steps === undefined ? null : Math.max(1, Number(options.steps));

/** Of a packed bench on a real GPU: under four minutes with what begins and ends it. */
const packSeconds = 225;

if (options.one !== undefined)
  answerWith(
    await runCase(parseCase(options.one), {
      steps,
      timestamps: options.timestamps,
      profile: options.profile,
    }),
  );
else if (options.workload !== undefined && options.file !== undefined)
  answerWith(await writeWorkload(parseCase(options.workload), options.file));
else if (options['kernel-times'] !== undefined)
  answerWith(await runKernels(parseCase(`kernels/${options['kernel-times']}`), Number(options.budget ?? 60)));
else if (options.peak) answerWith(await runPeak());
else await main();

async function main(): Promise<void> {
  const begun = performance.now();
  const peak = (await answerOf(here, ['--peak'])) as { gflops: number; software: boolean; adapter: string };
  const before = buildBefore();
  const plan = planOf(peak.software, before !== null);
  const seconds = options.budget === undefined ? plan.seconds : Number(options.budget);
  const budget = seconds === null ? null : new Budget(seconds - (performance.now() - begun) / 1000);
  const tools = {
    script: fileURLToPath(new URL('./torch_step.py', import.meta.url)),
    write: writeWorkload,
  };
  const own = [
    ...(steps === null ? [] : ['--steps', String(steps)]),
    ...(options.timestamps ? ['--timestamps'] : []),
    ...(options.profile ? ['--profile'] : []),
  ];
  const run = (wanted: Case, limitMs: number): Promise<Outcome> => {
    if (wanted.engine in torchForms) return runTorch(wanted, steps ?? 5, tools, limitMs);
    if (wanted.engine !== 'kernels-before')
      return answerOf(here, ['--one', caseName(wanted), ...own], limitMs);
    if (before === null) throw new Error('--against names no packed bench of another build');
    return answerOf(before, ['--one', caseName({ ...wanted, engine: 'kernels' }), ...own], limitMs);
  };
  const runtime = `Node ${process.version}, Dawn`;
  const save = saverOf(options.json, { runtime, peak, commit: commit() });
  const ran: Ran[] = [];
  const kernels: KernelTime[] = [];
  for (const part of plan.parts)
    if ('cases' in part) {
      const cases = part.cases.map(parseCase);
      ran.push(
        ...(await runAll(
          cases,
          Number(options.repeat),
          run,
          (now) => save([...ran, ...now], kernels),
          budget,
        )),
      );
    } else
      for (const shape of part.kernels) {
        const limitMs = budget === null ? 120_000 : budget.share(kernelSeconds);
        if (limitMs === null) {
          console.error(`kernels of ${shape}: ${leftOut}`);
          continue;
        }
        console.error(`running the kernels of ${shape} alone ...`);
        // The child has to start, and to come to its end.
        const inside = String(Math.max(1, limitMs / 1000 - 3));
        try {
          const { times } = (await answerOf(
            here,
            ['--kernel-times', shape, '--budget', inside],
            limitMs,
          )) as { times: readonly KernelTime[] };
          kernels.push(...times);
        } catch (thrown) {
          console.error(`  failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
        }
        await save(ran, kernels);
      }
  if (ran.length > 0) printRows(rowsOf(ran, peak.gflops));
  if (kernels.length > 0) printKernels(kernels);
  printMachine(peak);
  await cleanTorch();
  console.log(`${((performance.now() - begun) / 1000).toFixed(0)} s in all`);
  process.exit(0);
}

/** Of the kernels of one shape in a packed run. */
const kernelSeconds = 9;

/** What is run, and in how many seconds; null: until it is done. */
function planOf(
  software: boolean,
  before: boolean,
): {
  parts: readonly ({ cases: readonly string[] } | { kernels: readonly string[] })[];
  seconds: number | null;
} {
  const { quick } = options;
  const named = options.cases?.split(',');
  if (options.kernels) return { parts: [{ kernels: named ?? ['vit-b/b32', 'tiny/b32'] }], seconds: null };
  if (named !== undefined) return { parts: [{ cases: named }], seconds: null };
  if (quick || software)
    return { parts: [{ cases: defaultCases({ quick, node: true, software }) }], seconds: null };
  return { parts: packPlan({ before, cuda: hasCuda() }), seconds: packSeconds };
}

/** The bench of another build: named, or packed beside this one. */
function buildBefore(): string | null {
  const folder = options.against ?? fileURLToPath(new URL('./before', import.meta.url));
  const file = path.resolve(folder, 'bench.mjs');
  return existsSync(file) ? file : null;
}

/** The commit that a packed bench was made of, or the one that is named. */
function commit(): string | null {
  const file = fileURLToPath(new URL('./commit.txt', import.meta.url));
  return options.commit ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : null);
}
