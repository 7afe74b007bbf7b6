// `npm run interop`: Graft against the real libraries. Tiny random checkpoints of every family are made by
// transformers and timm, read, fine-tuned and exported by Graft, and every export is loaded by transformers,
// timm, peft, onnxruntime, onnxruntime-web and transformers.js; their logits must be Graft's. Beside it
// single files: hostile safetensors, half precision, image processors. What a machine lacks is skipped and
// said; docs/interop.md shows a whole run.
import '../setup/node-version.mjs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { installPackages } from '../setup/install.mjs';
import { root } from '../setup/paths.mjs';
import { buildGraft } from './build.mjs';
import { checkContinue } from './continue.mjs';
import { compareConsumers, consumerTable } from './consumers.mjs';
import { installLibraries, runJavaScript } from './javascript.mjs';
import { collect, findPythons, lacking, runPython } from './python.mjs';
import { passes, table, toleranceOf } from './report.mjs';
import { openSteps } from './steps.mjs';

/** @typedef {import('./report.mjs').Check} Check */
/** @typedef {import('./steps.mjs').Steps} Steps */

const usage = `npm run interop -- [flags]

  --quick            a family of each kind instead of all
  --only NAME,...    these families
  --json FILE        every check as JSON
  --keep DIR         works in this folder and leaves everything there
  --resume           goes on with what stands in the folder of --keep, where it was cut
  --cases DIR        folders m-NAME of models as people have them; without --quick each is a family (default: ../shared/data/cases, where it exists)
  --photos DIR       JPEG photos for the image processors and the consumers of an export (default:
                     ../shared/data/parity/photos, where it exists; else drawn pictures)
  --help             this text

GRAFT_PYTHON names the interpreter (default: python3), GRAFT_PYTHON_TIMM another one for timm. What they must have stands
in scripts/interop/requirements.txt. The exit code is 1 when a check failed, 0 otherwise, also when everything was skipped.`;

/**
 * What else is trained of some families than their branches, and what their folders are called then.
 * @type {readonly { suffix: string, way: 'backbone' | 'norms' | 'biases', families: readonly string[] }[]}
 */
const otherWays = [
  {
    suffix: ', in full',
    way: 'backbone',
    families: ['hf-vit', 'hf-dinov2-registers', 'hf-clip', 'hf-siglip', 'timm-vit', 'timm-deit3'],
  },
  { suffix: ', LayerNorms too', way: 'norms', families: ['hf-vit', 'hf-clip', 'timm-vit'] },
  {
    suffix: ', biases too',
    way: 'biases',
    families: ['hf-vit', 'hf-dinov2-registers', 'hf-clip', 'hf-siglip', 'timm-vit', 'timm-deit3'],
  },
];

const quickFamilies = [
  ...[
    'hf-vit',
    'hf-vit-f16',
    'hf-vit-sharded',
    'hf-deit-distilled',
    'hf-dinov2-registers',
    'hf-clip',
    'hf-siglip',
  ],
  ...['timm-vit', 'timm-dinov2-registers', 'timm-siglip-gap'],
];

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'string' },
    resume: { type: 'boolean', default: false },
    cases: { type: 'string', default: join(root, '../shared/data/cases') },
    photos: { type: 'string', default: join(root, '../shared/data/parity/photos') },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const startedAt = performance.now();
/** @param {string} line */
const say = (line) =>
  console.error(`[${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s] ${line}`);
/** @type {Check[]} */
const checks = [];
/** @type {string[]} */
const skipped = [];
/** @param {string} what @param {string} why */
const skip = (what, why) => {
  skipped.push(`${what}: ${why}`);
  say(`Skipped ${what}: ${why}`);
};
/**
 * @param {string} family
 * @param {string} check
 * @param {number | null} difference
 * @param {string | null} error
 */
const add = (family, check, difference, error = null, tolerance = toleranceOf(family, check)) => {
  checks.push({ family, check, difference, tolerance, error });
};

/** The lines of JSON that a script of checks prints. @param {string} line */
function addLine(line) {
  if (!line.startsWith('{')) return;
  const { family, check, difference = null, error = null, skip: reason } = JSON.parse(line);
  if (reason !== undefined) return skip(`${family}, ${check}`, reason);
  add(family, check, difference, error);
}

/**
 * A script that must end well; what it printed on its standard error is the reason where it does not.
 * @param {string} what
 * @param {Promise<{ code: number, err: string }>} running
 */
async function must(what, running) {
  const { code, err } = await running;
  if (code === 0) return true;
  add(what, 'runs', null, `exit code ${code}: ${err.trim().split('\n').slice(-3).join(' ').slice(0, 400)}`);
  return false;
}

/** @param {string} work @param {Awaited<ReturnType<typeof findPythons>>} pythons */
async function makeFamilies(work, { main, timm }) {
  const models = join(work, 'models');
  const names = options.only?.split(',') ?? (options.quick ? quickFamilies : []);
  const only = names.length > 0 ? ['--only', ...names] : [];
  /** @type {[typeof main, string, string[]][]} */
  const libraries = [
    [main, 'transformers', ['torch', 'transformers', 'safetensors']],
    [timm, 'timm', ['torch', 'timm', 'safetensors']],
  ];
  await Promise.all(
    libraries.map(async ([python, library, packages]) => {
      const missing = lacking(python, packages);
      if (python === null || missing.length > 0)
        return skip(`${library}'s families`, `no ${missing.join(', ')}`);
      const args = [models, '--library', library, ...only];
      await must(`${library}'s families`, runPython(python, 'make_tiny_models.py', args));
      say(`Made ${library}'s families`);
    }),
  );
  for (const name of (await readdir(models).catch(() => [])).sort())
    for (const suffix of [
      '',
      ...otherWays.filter((way) => way.families.includes(name)).map((way) => way.suffix),
    ])
      await cp(join(models, name), join(work, 'families', name + suffix, 'source'), { recursive: true });
}

/**
 * Models as people have them, as families beside those that the libraries make.
 * @param {string} families
 */
async function copyCases(families) {
  if (options.quick) return;
  const only = options.only?.split(',');
  const found = (await readdir(options.cases).catch(() => [])).filter((name) => name.startsWith('m-')).sort();
  if (found.length === 0) return skip('models as people have them', `there are none in ${options.cases}`);
  for (const name of found) {
    if (only?.includes(name) === false) continue;
    const source = join(families, name, 'source');
    await cp(join(options.cases, name), source, { recursive: true });
    // Descriptions of DeiT-Tiny, whose weights are kept once.
    const deit = join(options.cases, '../models/deit_tiny_patch16_224/model.safetensors');
    if ((await readdir(source)).join() === 'config.json')
      if (existsSync(deit)) await cp(deit, join(source, 'model.safetensors'));
      else skip(name, 'the weights of DeiT-Tiny are not there');
  }
}

/** Folders alone: the snippets of cards leave pictures beside them. @param {string} families */
const namesIn = async (families) =>
  (await readdir(families, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();

/** @param {string} families @param {Awaited<ReturnType<typeof buildGraft>>} graft @param {Steps} steps */
async function runGraft(families, graft, steps) {
  const record = steps.record('graft');
  /** @param {object} fields */
  const line = (fields) => record(JSON.stringify(fields));
  const own = (await namesIn(families)).filter((name) => !name.endsWith(', command'));
  for (const family of steps.remaining('graft', own)) {
    await rm(join(families, family, 'out'), { recursive: true, force: true });
    try {
      const keepHead = family === 'hf-vit' || family === 'timm-vit';
      const way = otherWays.find(({ suffix }) => family.endsWith(suffix))?.way ?? 'branches';
      const report = await graft.runFamily(join(families, family), keepHead, way);
      line({
        ...{ family, check: 'read' },
        ...(report.read === null
          ? { skip: 'nothing of the library to compare with' }
          : { difference: report.read }),
      });
      const kept = report.changed.length === 0 && report.kept > 0;
      const error = kept ? null : `changed: ${report.changed.slice(0, 3).join(', ')}`;
      if (way === 'branches') line({ family, check: 'bits', difference: report.changed.length, error });
      // Ten steps at a rate for tiny nets; what people have may be a real one.
      if (!family.startsWith('m-') && !(report.losses[1] < report.losses[0]))
        line({ family, check: 'trains', error: `loss ${report.losses.join(' to ')}` });
      for (const [format, skip] of Object.entries(report.refused)) line({ family, check: format, skip });
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      // Some of what people have is not to be opened: the refusal's words are checked elsewhere.
      line({ family, check: 'read', ...(family.startsWith('m-') ? { skip: why } : { error: why }) });
    }
    line({ done: family });
  }
  say('Graft has read, trained and exported them');
}

/**
 * The same through the real command: built app, browser, files on disk. Its folders are checked like the
 * others.
 * @param {string} families
 * @param {Steps} steps
 */
async function runCommand(families, steps) {
  const { findBrowser } = await import('../setup/browser.mjs');
  const given = ['hf-vit', 'timm-vit'].filter((name) => existsSync(join(families, name)));
  if (options.quick || given.length === 0) return;
  if ((await findBrowser()) === null) return skip('npm run finetune', 'there is no browser');
  for (const name of steps.remaining('command', given)) {
    const folder = join(families, `${name}, command`);
    await rm(folder, { recursive: true, force: true });
    const source = join(families, name, 'source');
    await cp(source, join(folder, 'source'), { recursive: true });
    const recipe = join(folder, 'recipe.json');
    const split = { validationFraction: 0.2, trainPerClass: 4, validationPerClass: 2 };
    await writeFile(recipe, JSON.stringify({ split, dmlora: { targets: 'all' } }));
    const out = join(folder, 'out');
    const args = ['--model', source, '--out', out, '--recipe', recipe, '--steps', '6', '--batch', '8'];
    const choice = ['--export', 'hf,hf-v5,timm,peft,onnx', '--dtype', 'f32', '--proof', '--backend', 'wasm'];
    const script = join(root, 'scripts/finetune.mjs');
    if (!(await must(`${name}, command`, collect(process.execPath, [script, ...args, ...choice])))) continue;
    for (const format of await readdir(out, { withFileTypes: true })) {
      if (!format.isDirectory()) continue;
      await rename(join(out, format.name), join(out, `${format.name}-F32`));
    }
    steps.record('command')(JSON.stringify({ done: name }));
    say(`npm run finetune has exported ${name}`);
  }
}

/** @param {string} families @param {Awaited<ReturnType<typeof findPythons>>} pythons @param {Steps} steps */
async function loadExports(families, { main, timm }, steps) {
  const exported = (await namesIn(families)).filter((name) => existsSync(join(families, name, 'out')));
  /**
   * @param {NonNullable<typeof main>} interpreter
   * @param {string} script
   * @param {'transformers' | 'timm'} library
   */
  const loaded = async (interpreter, script, library) => {
    const stage = `${script} ${library}`;
    const left = steps.remaining(stage, exported);
    if (left.length === 0) return;
    const args = [families, '--library', library, '--families', ...left];
    await must(stage, runPython(interpreter, script, args, { onLine: steps.record(stage) }));
  };
  const python = async () => {
    const missing = lacking(main, ['torch', 'transformers', 'peft', 'safetensors', 'onnx', 'onnxruntime']);
    if (main === null || missing.length > 0)
      return skip('transformers, peft and onnxruntime', `no ${missing.join(', ')}`);
    await loaded(main, 'check_exports.py', 'transformers');
    await loaded(main, 'run_snippets.py', 'transformers');
    say('transformers, peft and onnxruntime have loaded the exports');
  };
  const second = async () => {
    const missing = lacking(timm, ['torch', 'timm', 'safetensors']);
    if (timm === null || missing.length > 0) return skip('timm', `no ${missing.join(', ')}`);
    await loaded(timm, 'check_exports.py', 'timm');
    await loaded(timm, 'run_snippets.py', 'timm');
    say('timm has loaded the exports');
  };
  const javascript = async () => {
    if (exported.length === 0) return skip('transformers.js and onnxruntime-web', 'there are no exports');
    const why = await installLibraries(say);
    if (why !== null) return skip('transformers.js and onnxruntime-web', why);
    const left = steps.remaining('javascript', exported);
    // What lies in the work folder imports them as a user's own script does.
    const libraries = join(families, '../node_modules');
    if (!existsSync(libraries)) await symlink(join(import.meta.dirname, 'node_modules'), libraries);
    if (left.length > 0)
      await must('JavaScript', runJavaScript(families, left, { onLine: steps.record('javascript') }));
    say('transformers.js and onnxruntime-web have loaded the exports');
  };
  await Promise.all([python(), second().then(javascript)]);
}

/**
 * Hostile files, half precision, image processors.
 * @param {string} work
 * @param {Awaited<ReturnType<typeof findPythons>>} pythons
 * @param {Awaited<ReturnType<typeof buildGraft>>} graft
 */
async function singleFiles(work, { main, timm }, graft) {
  const needed = ['torch', 'transformers', 'safetensors', 'pillow'];
  // Either will do; one with torchvision also has transformers' default image processors.
  const python =
    [timm, main].find((one) => lacking(one, [...needed, 'torchvision']).length === 0) ??
    [timm, main].find((one) => lacking(one, needed).length === 0) ??
    null;
  const missing = lacking(python, needed);
  if (python === null || missing.length > 0)
    return skip('hostile files, half precision, images', `no ${missing.join(', ')}`);
  const hostile = join(root, 'testdata/hostile');
  const verdicts = join(work, 'verdicts.json');
  if (await must('safetensors', runPython(python, 'check_readers.py', ['safetensors', hostile, verdicts]))) {
    const { cases } = await import('../../testdata/hostile/make-hostile.mjs');
    const found = JSON.parse(await readFile(verdicts, 'utf8'));
    const wrong = [];
    for (const { file, reference, graft: wanted } of cases) {
      if ((found[file] === true) !== (reference === 'accepted'))
        wrong.push(`${file}: safetensors says ${found[file]}`);
      if ((await graft.accepts(join(hostile, file))) !== (wanted === 'accepted'))
        wrong.push(`${file}: Graft disagrees`);
    }
    add(
      `safetensors: ${cases.length} hostile files`,
      'verdicts that differ',
      wrong.length,
      wrong[0] ?? null,
      0,
    );
  }
  const floats = join(work, 'floats.safetensors');
  if (await must('torch', runPython(python, 'check_readers.py', ['floats', floats])))
    add('torch: all float16 and bfloat16', 'values that differ', await graft.wrongPatterns(floats), null, 0);
  await writtenProcessors(work, python, graft);
  const configs = join(import.meta.dirname, 'processors.json');
  const pixels = join(work, 'pixels.safetensors');
  const photos = existsSync(options.photos) ? [options.photos] : [];
  if (photos.length === 0)
    skip('photos', `there are none in ${options.photos}; drawn pictures stand for them`);
  if (
    !(await must(
      'image processors',
      runPython(python, 'check_readers.py', ['images', configs, pixels, ...photos]),
    ))
  )
    return;
  const found = await graft.comparePixels(
    pixels,
    graft.readProcessors(JSON.parse(await readFile(configs, 'utf8'))),
  );
  if (![...found.keys()].some((name) => name.endsWith('.torchvision')))
    skip("transformers' torchvision-backed image processors", 'no torchvision beside transformers');
  for (const [name, { largest, mean, pictures }] of found) {
    const [config = '', backend = ''] = name.split('.');
    // PIL: the same bytes, float32 rounding of the normalisation. torchvision: another fixed point, two grey
    // levels.
    const tolerance = backend === 'pil' ? 1e-3 : 2.01;
    add(`images: ${config}`, `${backend}, grey levels`, largest, null, tolerance);
    if (mean > 0.01) add(`images: ${config}`, `${backend}, mean`, mean, null, 0.01);
    say(
      `${config} (${backend}): largest ${largest.toExponential(1)}, mean ${mean.toExponential(1)} of 255 on ${pictures} pictures`,
    );
  }
}

/**
 * The preprocessor_config.json that Graft writes for people's own, in transformers' hands.
 * @param {string} work
 * @param {import('./python.mjs').Python} python
 * @param {Awaited<ReturnType<typeof buildGraft>>} graft
 */
async function writtenProcessors(work, python, graft) {
  const rewritten = await graft.rewriteProcessors(join(root, 'testdata/cases/prep'));
  const configs = join(work, 'written.json');
  const pixels = join(work, 'written.safetensors');
  const texts = [...rewritten].map(([name, { written }]) => [name, JSON.parse(written)]);
  await writeFile(configs, JSON.stringify(Object.fromEntries(texts)));
  if (
    !(await must('written processors', runPython(python, 'check_readers.py', ['written', configs, pixels])))
  )
    return;
  const processors = new Map([...rewritten].map(([name, { preprocessing }]) => [name, preprocessing]));
  const found = await graft.comparePixels(pixels, processors);
  let largest = 0;
  for (const name of processors.keys()) {
    const own = found.get(`${name}.pil`)?.largest ?? Infinity;
    largest = Math.max(largest, own);
    if (!(own <= 1e-3)) add(`images: ${name}, written`, 'pil, grey levels', own, null, 1e-3);
  }
  add(`images: ${processors.size} files that Graft wrote`, 'pil, grey levels', largest, null, 1e-3);
}

/**
 * The consumers of one export on the same photographs. What Graft hands out (pixels.mjs, continue.py) must
 * agree with the PIL processor; what others do is shown.
 * @param {string} work
 * @param {string} families
 * @param {Awaited<ReturnType<typeof findPythons>>} pythons
 * @param {Awaited<ReturnType<typeof buildGraft>>} graft
 */
async function photographs(work, families, { main }, graft) {
  const out = join(families, 'hf-vit/out');
  const missing = lacking(main, ['torch', 'transformers', 'safetensors', 'pillow']);
  if (!existsSync(join(out, 'onnx-F32')) || main === null || missing.length > 0)
    return skip('the consumers of an export', `no ${missing.join(', ') || 'export of hf-vit'}`);
  const why = await installLibraries(say);
  if (why !== null) return skip('the consumers of an export', why);
  const drawn = join(work, 'drawn');
  const photos = existsSync(options.photos) ? options.photos : drawn;
  if (photos === drawn && !(await must('pictures', runPython(main, 'check_readers.py', ['draw', drawn]))))
    return;
  const preprocessing = await graft.preprocessingOf(join(families, 'hf-vit/source'));
  const [hf, onnx] = [join(out, 'hf-F32'), join(out, 'onnx-F32')];
  const found = await compareConsumers({ hf, onnx, photos, work, preprocessing }, main);
  for (const problem of found.problems) add('consumers: photographs', 'run', null, problem);
  for (const { name, largest, logit } of found.seen) {
    if (!name.startsWith('pixels.mjs') && !name.includes('PIL')) continue;
    add('consumers: photographs', `${name}, grey levels`, largest, null, 1e-3);
    add('consumers: photographs', `${name}, logits`, logit, null, 1e-4);
  }
  say(`Photographs through every consumer, beside Graft's own pixels:\n${consumerTable(found)}`);
}

/**
 * What every export carries to go on training in Python, run.
 * @param {string} work
 * @param {string} families
 * @param {Awaited<ReturnType<typeof findPythons>>} pythons
 * @param {Awaited<ReturnType<typeof buildGraft>>} graft
 */
async function continued(work, families, { main }, graft) {
  const needed = ['torch', 'transformers', 'timm', 'peft', 'accelerate', 'safetensors', 'pillow'];
  const missing = lacking(main, needed);
  if (main === null || missing.length > 0) return skip('continue.py', `no ${missing.join(', ')}`);
  await checkContinue(
    { families, work, quick: options.quick },
    main,
    graft,
    (line) => add(`continue.py: ${line.name}`, line.check, line.difference, line.error, line.tolerance),
    (name, family) => skip(`continue.py: ${name}`, `no ${family}`),
  );
  say('continue.py has repeated runs of Graft');
}

async function main() {
  await installPackages(say);
  const pythons = await findPythons();
  if (pythons.main === null && pythons.timm === null)
    return skip('everything', 'there is no python3; name one in GRAFT_PYTHON');
  const { main: python, timm } = pythons;
  if (lacking(python, ['torch']).length > 0 && lacking(timm, ['torch']).length > 0)
    return skip(
      'everything',
      'no interpreter has torch; scripts/interop/requirements.txt says what is needed',
    );
  for (const one of new Set([python, timm]))
    if (one !== null)
      say(
        `${one.path}: ${Object.entries(one.versions)
          .map((pair) => pair.join(' '))
          .join(', ')}`,
      );
  const work =
    options.keep === undefined ? await mkdtemp(join(tmpdir(), 'graft-interop-')) : resolve(options.keep);
  const families = join(work, 'families');
  try {
    const steps = await openSteps(work, options.resume, addLine);
    const isMade = steps.remaining('families', ['all']).length === 0;
    if (!isMade) {
      await rm(families, { recursive: true, force: true });
      await rm(join(work, 'models'), { recursive: true, force: true });
    }
    await mkdir(families, { recursive: true });
    const [graft] = await Promise.all([
      buildGraft(),
      ...(isMade ? [] : [makeFamilies(work, pythons).then(() => copyCases(families))]),
    ]);
    steps.record('families')(JSON.stringify({ done: 'all' }));
    await Promise.all([
      runGraft(families, graft, steps)
        .then(() => runCommand(families, steps))
        .then(() => loadExports(families, pythons, steps))
        .then(() => photographs(work, families, pythons, graft))
        .then(() => continued(work, families, pythons, graft)),
      singleFiles(work, pythons, graft),
    ]);
  } finally {
    if (options.keep === undefined) await rm(work, { recursive: true, force: true });
  }
}

if (options.help) console.log(usage);
else {
  await main();
  const failed = checks.filter((check) => !passes(check)).length;
  const seconds = (performance.now() - startedAt) / 1000;
  const isSingle = (/** @type {Check} */ { family }) => family.includes(':');
  for (const part of [checks.filter((check) => !isSingle(check)), checks.filter(isSingle)])
    if (part.length > 0) console.log(`${table(part)}\n`);
  if (skipped.length > 0) console.log(`Skipped:\n${skipped.map((line) => `  ${line}`).join('\n')}\n`);
  console.log(
    `${checks.length - failed} checks passed, ${failed} failed, ${skipped.length} skipped, in ${seconds.toFixed(0)} s`,
  );
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify({ checks, skipped, seconds, failed }, null, 1)}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}
