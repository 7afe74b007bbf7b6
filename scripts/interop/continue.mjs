// continue.py, run: the losses of its steps beside those of Graft's own run, from new branches and from a
// saved run, in one process and in two. Pictures have the model's size and there is no augmentation, so that
// both see the same numbers.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../setup/paths.mjs';
import { collect, runPython } from './python.mjs';

/** What all runs have: rates that move a tiny net, and every step's pictures as they lie on disk. */
const base = {
  ...{ steps: 12, batch: 4, seed: 5, learningRate: 1e-2, warmup: 0.2, headStart: 'random', augment: 'none' },
  ...{ clipNorm: 0.5, weightDecay: 0.05 },
};
const method = { branches: 3, branchesEnd: 2, rank: 2, dropWindow: [0.2, 0.6], stage2: 0.7 };

/** Rates that suit what is tuned of a backbone, of which every step moves more. */
const tuning = { ...base, learningRate: 2e-3 };
const alone = { branches: 0 };

/**
 * Each case is a run of Graft on a family (`hf-vit` where none is named), and the ways in which continue.py
 * repeats it: from its start, or from what was saved after so many steps, in so many processes. `fromNew`: what is
 * allowed from its start, where that is not `lossTolerance`.
 * @type {readonly {
 *   name: string, recipe: object, family?: string, from: readonly (readonly [step: number, processes: number])[],
 *   fromNew?: number
 * }[]}
 */
const cases = [
  {
    name: 'the method',
    recipe: { ...base, dmlora: method },
    from: [
      [0, 1],
      [0, 2],
      [3, 1],
      [7, 2],
      [10, 1],
    ],
  },
  {
    name: 'LoRA, rsLoRA’s factor',
    recipe: {
      ...{ ...base, labelSmoothing: 0.1, classBalance: 'weights' },
      dmlora: { branches: 1, rank: 4, targets: 'qv', dropMode: 'none', scalars: 'off', scaling: 'rslora' },
    },
    from: [
      [0, 2],
      [6, 1],
    ],
  },
  {
    name: 'fading, the weakest, a scalar a block',
    recipe: {
      ...base,
      dmlora: {
        ...{
          ...method,
          dropPick: 'smallest',
          dropEffect: 'fade',
          fadeSteps: 3,
          dropSpacing: 'cosine',
          branchesEnd: 1,
        },
        ...{ scalarShare: 'block', stage2Rate: 'own', scaling: 'lora' },
      },
    },
    from: [
      [0, 1],
      [5, 1],
    ],
  },
  {
    name: 'gates by steps, scalars beside',
    recipe: { ...base, dmlora: { ...method, dropMode: 'stochastic', scalars: 'joint', targets: 'qkv+proj' } },
    from: [[0, 1]],
  },
  {
    name: 'scalars at their limits',
    recipe: {
      ...{ ...base, scalarRate: 0.2 },
      dmlora: { ...method, scalars: 'joint', scalarShare: 'block', scalarStart: 0.05, scaling: 'rslora' },
    },
    from: [
      [0, 1],
      [6, 1],
    ],
  },
  {
    name: 'crossed, gates by steps',
    recipe: {
      ...base,
      dmlora: { ...method, dropMode: 'constant', pairing: 'crossed', scaling: 'rslora', targets: 'qkv+proj' },
    },
    from: [
      [0, 1],
      [5, 1],
    ],
  },
  {
    name: 'absorbed, in order',
    recipe: { ...base, dmlora: { ...method, dropPick: 'oldest', dropEffect: 'absorb', firstBlock: 1 } },
    from: [
      [0, 1],
      [9, 1],
    ],
  },
  {
    name: 'folded, alike, branches afresh',
    recipe: {
      ...base,
      dmlora: {
        ...method,
        dropPick: 'alike',
        dropEffect: 'svd-fold',
        scalars: 'scale-then-retrain',
        scalarShare: 'all',
      },
    },
    from: [
      [0, 1],
      [10, 2],
    ],
  },
  {
    name: 'full fine-tuning',
    recipe: { ...tuning, backbone: { tune: 'all' }, dmlora: alone },
    from: [
      [0, 1],
      [6, 2],
    ],
  },
  {
    name: 'full fine-tuning beside the method',
    family: 'timm-vit',
    recipe: { ...tuning, backbone: { tune: 'all' }, dmlora: method },
    from: [
      [0, 1],
      [6, 1],
    ],
  },
  {
    name: 'full fine-tuning beside the method, tokens without positions',
    family: 'hf-dinov2-registers',
    recipe: { ...tuning, scalarRate: 0.2, backbone: { tune: 'all' }, dmlora: method },
    from: [
      [0, 1],
      [10, 1],
    ],
  },
  {
    name: 'full fine-tuning beside crossed branches, stochastic depth',
    recipe: {
      ...{ ...tuning, backbone: { tune: 'all' }, stochasticDepth: 0.5 },
      dmlora: { ...method, dropMode: 'constant', pairing: 'crossed', targets: 'qkv+proj' },
    },
    from: [
      [0, 1],
      [5, 1],
    ],
  },
  {
    name: 'LayerNorms beside the method',
    recipe: { ...base, backbone: { tune: 'norms' }, dmlora: { ...method, scalars: 'scale-then-retrain' } },
    from: [
      [0, 1],
      [10, 1],
    ],
  },
  {
    name: 'biases beside the method',
    recipe: { ...base, backbone: { tune: 'biases' }, dmlora: method },
    from: [
      [0, 2],
      [6, 1],
    ],
  },
  {
    name: 'the head alone, from a probe',
    family: 'timm-deit-distilled',
    recipe: { ...base, headStart: 'probe', dmlora: alone },
    from: [[0, 1]],
  },
  {
    name: 'a probe, stochastic depth, the cheapest leave',
    // Both probes are fitted to about 1e-3 of a logit.
    fromNew: 1e-2,
    recipe: {
      ...base,
      headStart: 'probe',
      stochasticDepth: 0.5,
      dmlora: { ...method, dropPick: 'cheapest' },
    },
    from: [
      [0, 2],
      [3, 1],
    ],
  },
  {
    name: 'validation images learned too, stochastic depth',
    family: 'timm-vit',
    recipe: { ...base, keep: 'last', stochasticDepth: 0.5, split: { learnFrom: 'all' }, dmlora: alone },
    from: [[0, 1]],
  },
];

/**
 * What is refused, and the words that say why: what is given beside a run from new branches, or in place of
 * RUN from one that was saved after step 3.
 * @type {readonly (readonly [args: readonly string[], why: RegExp])[]}
 */
const refused = [
  [['--set', 'dmlora.pairing=crossed'], /all learn the same.*choose a branch dropout/],
  [['--set', 'dmlora.scalars=of'], /dmlora\.scalars: one of train-then-scale, .* is needed, not 'of'/],
  [['--set', 'dmlora.rank=x'], /dmlora\.rank: one of 1, 2, 4, 8, 16 is needed/],
  [['--set', 'learningRate=0'], /learningRate: a number above 0 and of at most 10 is needed/],
  [['--set', 'dmlora.dropSpacing=steps', '--set', 'dmlora.dropSteps=soon'], /needs whole steps with commas/],
  [['--set', 'dmlora.firstBlock=99'], /no branch would grow from block 99/],
  [['--steps', '0'], /a whole number of at least 1 is needed, not '0'/],
  [['--checkpoint', 'nothing.safetensors'], /there is no nothing\.safetensors/],
  [['--adapter', '.', '--rank', '4'], /there is no adapter_config\.json/],
  [['--checkpoint', 'RUN', '--rank', '4'], /--rank cannot be given beside --checkpoint/],
  [['--checkpoint', 'RUN', '--set', 'dmlora.targets=qv'], /dmlora\.targets cannot be given beside/],
  [['--checkpoint', 'RUN', '--run', 'other.json'], /saw other pixels .* by image size: 32 and 64/],
];

/**
 * The largest difference of a step's loss that is allowed, as a share of it. Both add in float32 in orders of
 * their own, and every step goes on from what the last one left, so that rounding grows with the steps.
 */
const lossTolerance = 1e-4;
/** What a loss is worth at least: a probe that has all pictures right by far says nothing in a share of its own. */
const smallLoss = 0.01;

/**
 * @param {{ families: string, work: string, quick: boolean }} given folders of the original models by
 *   family, a folder to work in, and whether two runs are enough
 * @param {import('./python.mjs').Python} python
 * @param {Awaited<ReturnType<typeof import('./build.mjs').buildGraft>>} graft
 * @param {(line: {
 *   name: string, check: string, difference: number | null, tolerance: number, error: string | null
 * }) => void} tell
 * @param {(name: string, family: string) => void} skip told of cases whose family is not there
 */
export async function checkContinue({ families, work, quick }, python, graft, tell, skip) {
  const script = join(root, 'src/export/continue.py');
  for (const [
    number,
    { name, recipe, family = 'hf-vit', from: all, fromNew = lossTolerance },
  ] of cases.entries()) {
    if (quick && number > 0) break;
    const source = join(families, family, 'source');
    if (!existsSync(source)) {
      skip(name, family);
      continue;
    }
    const from = quick ? all.slice(1, 3) : all;
    const folder = join(work, `continue-${number}`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await copyFile(script, join(folder, 'continue.py'));
    const own = await graft.runToContinue(
      source,
      folder,
      recipe,
      from.flatMap(([step]) => (step > 0 ? [step] : [])),
    );
    if (number === 0) await checkRefused(source, folder, python, tell);
    for (const [step, processes] of from) {
      const where = `${name}, ${step === 0 ? 'from new branches' : `from step ${step}`}, ${processes === 1 ? 'one process' : `${processes} processes`}`;
      const out = join(folder, `out-${step}-${processes}`);
      const launch =
        processes === 1
          ? []
          : [
              '-m',
              'accelerate.commands.launch',
              '--multi_gpu',
              '--num_processes',
              String(processes),
              '--num_machines',
              '1',
            ];
      const start = step === 0 ? [] : ['--checkpoint', join(folder, `run-${step}.safetensors`)];
      const args = [
        '--data',
        join(folder, 'pictures'),
        '--model',
        source,
        '--out',
        out,
        '--workers',
        '0',
        ...start,
      ];
      const { code, err } = await collect(python.path, [...launch, join(folder, 'continue.py'), ...args], {
        env: { OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' },
      });
      if (code !== 0 || !existsSync(join(out, 'log.json'))) {
        const last = err.trim().split('\n').slice(-4).join(' ').slice(-400);
        tell({
          name: where,
          check: 'losses',
          difference: null,
          tolerance: 0,
          error: `exit code ${code}: ${last}`,
        });
        continue;
      }
      /** @type {{ losses: number[], validations: { step: number, loss: number }[], kept: number, processes: number }} */
      const log = JSON.parse(await readFile(join(out, 'log.json'), 'utf8'));
      const wanted = own.losses.slice(step);
      const tolerance = step === 0 ? fromNew : lossTolerance;
      const apart = (/** @type {number} */ a, /** @type {number} */ b) =>
        Math.abs(a - b) / Math.max(b, smallLoss);
      const differences = wanted.map((loss, i) => apart(log.losses[i] ?? NaN, loss));
      // Those of a saved run begin with its best state.
      const validated = log.validations.filter(({ step: at, loss }) =>
        own.validations.every((one) => one.step !== at || apart(one.loss, loss) > tolerance),
      );
      const wrong = [
        ...validated.map(({ step: at, loss }) => `the validation loss at step ${at} is ${loss}`),
        ...(log.losses.length === wanted.length
          ? []
          : [`${log.losses.length} steps instead of ${wanted.length}`]),
        ...(log.processes === processes ? [] : [`it ran in ${log.processes} processes`]),
        ...(log.kept === own.keptStep ? [] : [`it keeps step ${log.kept}, Graft step ${own.keptStep}`]),
      ];
      const error = wrong.length === 0 ? null : wrong.join('; ');
      tell({
        name: where,
        check: 'losses',
        difference: Math.max(...differences),
        tolerance,
        error,
      });
      const loaded = await runPython(python, 'check_continued.py', [source, out, folder]);
      const left = loaded.code === 0 ? JSON.parse(loaded.out) : null;
      tell({
        ...{
          name: where,
          check: 'loss of the merged model',
          difference: left?.merged ?? null,
          tolerance: 1e-5,
        },
        error: left === null ? loaded.err.slice(-400) : null,
      });
      if (left !== null && left.adapter !== null)
        tell({
          ...{ name: where, check: 'logits of adapter and merged', difference: left.adapter },
          ...{ tolerance: 1e-5, error: null },
        });
    }
  }
}

/**
 * That what cannot be done ends with exit code 2 and a sentence, in one process for all, since it takes
 * seconds to load the libraries.
 * @param {string} source
 * @param {string} folder of a run that is continued
 * @param {import('./python.mjs').Python} python
 * @param {Parameters<typeof checkContinue>[3]} tell
 */
async function checkRefused(source, folder, python, tell) {
  const record = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'));
  record.model.config.imageSize *= 2;
  await writeFile(join(folder, 'other.json'), JSON.stringify(record));
  const given = ['--data', 'pictures', '--model', source, '--out', 'refused'];
  const lines = refused.map(([args]) => [
    ...given,
    ...args.map((arg) => (arg === 'RUN' ? 'run-3.safetensors' : arg)),
  ]);
  const { code, out, err } = await runPython(python, 'check_refused.py', [folder, JSON.stringify(lines)]);
  /** @type {{ code: number, said: string }[]} */
  const found = code === 0 ? JSON.parse(out) : [];
  const wrong = refused.flatMap(([args, why], i) => {
    const { code: ended, said } = found[i] ?? { code, said: err.slice(-400) };
    return ended === 2 && why.test(said) ? [] : [`${args.join(' ')}: exit code ${ended}, ${said.trim()}`];
  });
  tell({
    ...{ name: 'what cannot be done', check: 'is said', difference: wrong.length, tolerance: 0 },
    error: wrong.length === 0 ? null : wrong.join('; '),
  });
}
