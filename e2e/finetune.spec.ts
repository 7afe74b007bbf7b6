// Promise: `npm run finetune` does the whole job without hands, and ends every fault in one sentence; `npm
// run ablate` does many of them as pairs, and goes on where it was ended.
import { execFile, spawn, type ExecFileOptions } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { classNames, writePictures } from './pictures.ts';
import { tensorsOf } from './safetensors.ts';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function command(script: string, args: readonly string[], options: ExecFileOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { ...options, encoding: 'utf8' }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

const finetune = (...args: string[]): Promise<Ended> => command('scripts/finetune.mjs', args);

test('trains, merges and writes the files and one line of JSON', async ({}, info) => {
  const data = await writePictures(info.outputPath('pictures'), 10);
  const out = info.outputPath('model');
  const flags = ['--steps', '20', '--batch', '8', '--seed', '7', '--backend', 'wasm', '--json'];
  const { code, stdout, stderr } = await finetune(
    '--model',
    microModel,
    '--data',
    data,
    '--out',
    out,
    ...flags,
  );
  expect(stderr).toContain('Validation accuracy');
  expect(code).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);

  const result = JSON.parse(stdout) as Record<string, unknown>;
  const metrics = { loss: expect.any(Number), accuracy: expect.any(Number) };
  expect(result).toMatchObject({
    engine: 'autodiff',
    backend: 'wasm',
    adapter: expect.any(String),
    model: expect.any(String),
    classes: classNames,
    trainImages: 24,
    validationImages: 6,
    steps: 20,
    seconds: expect.any(Number),
    secondsPerStep: expect.any(Number),
    peakBufferBytes: expect.any(Number),
    initialValidation: metrics,
    validation: metrics,
    files: ['model.safetensors', 'config.json', 'preprocessor_config.json', 'result.json'],
  });
  expect(result['mergedMaxLogitDifference']).toBeLessThan(1e-4);
  // 2 blocks of 6 linears, from 4 branches to 2.
  expect(result['drops']).toHaveLength(2 * 6 * 2);
  const modules = [0, 1].flatMap((block) =>
    ['q', 'k', 'v', 'proj', 'fc1', 'fc2'].map((linear) => `blocks.${block}.${linear}`),
  );
  expect(Object.keys(result['scalars'] as object).sort()).toEqual(modules.sort());

  expect(JSON.parse(await readFile(join(out, 'result.json'), 'utf8'))).toEqual(result);
  expect(Object.keys(await tensorsOf(join(out, 'model.safetensors')))).toEqual(
    Object.keys(await tensorsOf(join(microModel, 'model.safetensors'))),
  );
  const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config['id2label']).toEqual({ 0: 'blue', 1: 'green', 2: 'red' });
});

test('without a browser, and packed for a machine with Node alone, the same worker leaves the same weights', async ({}, info) => {
  const data = await writePictures(info.outputPath('pictures'), 6);
  const shared = ['--model', resolve(microModel), '--data', data, '--backend', 'wasm'];
  const flags = [...shared, '--steps', '6', '--batch', '8'];
  const weights: Buffer[] = [];
  const outOf = async (name: string, ending: (out: string) => Promise<Ended>): Promise<void> => {
    const out = info.outputPath(name);
    const { code, stderr } = await ending(out);
    expect(code, stderr).toBe(0);
    weights.push(await readFile(join(out, 'model.safetensors')));
  };
  for (const runtime of ['browser', 'node'])
    await outOf(runtime, (out) => finetune(...flags, '--runtime', runtime, '--out', out));
  // Outside of the repository, so that nothing is found in its node_modules, and without anything else to
  // start.
  const folder = await mkdtemp(join(tmpdir(), 'graft-packed-'));
  try {
    expect((await command('scripts/pack.mjs', [folder])).code).toBe(0);
    const there = { cwd: folder, env: {} };
    await outOf('packed', (out) => command('graft.mjs', ['finetune', ...flags, '--out', out], there));
    const arms = ['--arms', 'arms/twice.json', '--seeds', '1,', '--set', 'steps=2', '--set', 'batch=8'];
    const ablation = info.outputPath('ablation');
    const ablated = await command('graft.mjs', ['ablate', ...shared, ...arms, '--out', ablation], there);
    expect(ablated.code, ablated.stderr).toBe(0);
    expect(await readdir(join(ablation, 'runs'))).toHaveLength(2);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const [ofBrowser = Buffer.alloc(0), ...others] = weights;
  expect(ofBrowser.length).toBeGreaterThan(0);
  for (const other of others) expect(other.equals(ofBrowser)).toBe(true);
});

test('ends every fault in one sentence', async ({}, info) => {
  const data = await writePictures(info.outputPath('pictures'), 4);
  const oneClass = await writePictures(info.outputPath('one'), 4, ['red']);
  const bare = info.outputPath('no-config');
  await mkdir(bare, { recursive: true });
  await copyFile(join(microModel, 'model.safetensors'), join(bare, 'model.safetensors'));
  const recipe = info.outputPath('recipe.json');
  await writeFile(recipe, '{"learningRate": -1}');
  const out = ['--out', info.outputPath('model')];
  const faults: [string[], RegExp][] = [
    [['--modle', 'x'], /'--modle'/],
    [['--model', 'nowhere'], /--model: there is nothing at "nowhere"/],
    [['--model', bare, '--data', data], /config\.json/],
    [['--model', microModel, '--data', oneClass], /two classes/],
    [['--model', microModel, '--data', data, '--recipe', recipe], /"learningRate"/],
  ];
  for (const [args, sentence] of faults) {
    const { code, stdout, stderr } = await finetune(...args, ...out, '--json');
    expect(code).toBe(1);
    expect(stderr.trim().split('\n').at(-1)).toMatch(sentence);
    expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['fault']);
  }
});

/** Runs `npm run ablate`; ends it as Ctrl-C does once its errors have a text. */
function ablate(args: readonly string[], endAt?: string): Promise<Ended> {
  return new Promise((resolve) => {
    const command = spawn(process.execPath, ['scripts/ablate.mjs', ...args]);
    let [stdout, stderr, isEnded] = ['', '', false];
    command.stdout.on('data', (text: Buffer) => (stdout += text.toString()));
    command.stderr.on('data', (text: Buffer) => {
      stderr += text.toString();
      if (endAt === undefined || isEnded || !stderr.includes(endAt)) return;
      isEnded = command.kill('SIGINT');
    });
    command.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

test('an ablation is of pairs, and goes on where it was ended', async ({}, info) => {
  const data = info.outputPath('pictures');
  await writePictures(join(data, 'train'), 8);
  await writePictures(join(data, 'test'), 9);
  const out = info.outputPath('ablation');
  const arms = info.outputPath('arms.json');
  const one = { branches: 1, dropMode: 'none', scalars: 'off' };
  const recipes = [{ name: 'a' }, { name: 'a again' }, { name: 'one', recipe: { dmlora: one } }];
  await writeFile(arms, JSON.stringify({ base: { steps: 4, batch: 8 }, arms: recipes }));
  const flags = ['--arms', arms, '--seeds', '1', '--model', microModel, '--data', data, '--out', out];
  const ended = await ablate([...flags, '--backend', 'wasm'], '[1/3] pictures, a, seed 1: ');
  expect(ended.stderr).toContain('The same command goes on from here.');
  expect(ended.code).toBe(130);
  const before = await readdir(join(out, 'runs'));
  expect(before.length).toBeGreaterThan(0);
  expect(before.every((name) => name.endsWith('.json'))).toBe(true);
  const { code, stdout, stderr } = await ablate([...flags, '--backend', 'wasm']);
  expect(stderr).toContain(`3 runs: 3 arms, seeds 1, pictures. ${before.length} are done.`);
  expect(code).toBe(0);
  expect(stdout).toContain('"a again" beside "a": inconclusive.');

  interface Kept {
    readonly arm: string;
    readonly split: string;
    readonly result: { readonly test: { readonly loss: number }; readonly probe: object };
  }
  const runs = await Promise.all(
    (await readdir(join(out, 'runs'))).map(
      async (name) => JSON.parse(await readFile(join(out, 'runs', name), 'utf8')) as Kept,
    ),
  );
  const [a, again, other] = recipes.map(({ name }) => runs.find(({ arm }) => arm === name)!);
  // The same seed: the same images on either side, the same probe, and the same run to the last bit.
  expect(new Set(runs.map(({ split }) => split)).size).toBe(1);
  expect(again?.result.probe).toEqual(a?.result.probe);
  expect(other?.result.probe).toEqual(a?.result.probe);
  expect(again?.result.test).toEqual(a?.result.test);
  expect(other?.result.test.loss).not.toBe(a?.result.test.loss);
  const summary = JSON.parse(await readFile(join(out, 'summary.json'), 'utf8')) as Record<string, unknown>;
  expect(summary).toMatchObject({
    judge: 'test',
    arms: ['a', 'a again', 'one', 'linear probe'],
    comparisons: [{ arm: 'a again', all: { pairs: 1, mean: 0, ties: 1 } }, { arm: 'one' }, {}],
  });
  expect(await readFile(join(out, 'table.md'), 'utf8')).toContain('3 of 3 runs are done.');
});
