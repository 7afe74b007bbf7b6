// The bench without a browser, as one file: what `--node` and a packed bench run. Each case is a process of
// its own:
//
//   node bench.mjs [--quick] [--cases kernels/vit-b/b32,...] [--steps N] [--repeat N] [--timestamps] [--profile] [--json FILE]
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerOf, answerWith } from './answer.mjs';
import { caseName, defaultCases, parseCase, torchForms, type Case } from './cases.mjs';
import { runCase, runPeak, writeWorkload } from './node-case.ts';
import { printMachine, printRows, rowsOf, runAll, saverOf, type Outcome } from './report.mjs';
import { runTorch } from './torch.mjs';

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
    // Of the children.
    one: { type: 'string' },
    workload: { type: 'string' },
    file: { type: 'string' },
    peak: { type: 'boolean', default: false },
  },
});
const here = fileURLToPath(import.meta.url);
const steps = options.steps === undefined ? null : Math.max(1, Number(options.steps));

/** This file again, as a child. */
const child = (args: readonly string[]): Promise<Outcome> => answerOf(here, args);

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
else if (options.peak) answerWith(await runPeak());
else await main();

async function main(): Promise<void> {
  const peak = (await answerOf(here, ['--peak'])) as { gflops: number; software: boolean; adapter: string };
  const { quick } = options;
  const names = options.cases?.split(',') ?? defaultCases({ quick, node: true, software: peak.software });
  const tools = {
    script: fileURLToPath(new URL('./torch_step.py', import.meta.url)),
    write: writeWorkload,
  };
  const run = (wanted: Case): Promise<Outcome> =>
    wanted.engine in torchForms
      ? runTorch(wanted, steps ?? 5, tools)
      : child([
          '--one',
          caseName(wanted),
          ...(steps === null ? [] : ['--steps', String(steps)]),
          ...(options.timestamps ? ['--timestamps'] : []),
          ...(options.profile ? ['--profile'] : []),
        ]);
  const runtime = `Node ${process.version}, Dawn`;
  const save = saverOf(options.json, { runtime, peak, commit: commit() });
  const ran = await runAll(names.map(parseCase), Number(options.repeat), run, save);
  printRows(rowsOf(ran, peak.gflops));
  printMachine(peak);
  process.exit(0);
}

/** The commit that a packed bench was made of, or the one that is named. */
function commit(): string | null {
  const file = fileURLToPath(new URL('./commit.txt', import.meta.url));
  return options.commit ?? (existsSync(file) ? readFileSync(file, 'utf8').trim() : null);
}
