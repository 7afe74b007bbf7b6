// Promise: `npm run finetune` does the whole job without hands, and ends every fault in one sentence.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from './graft-test.ts';
import { microModel } from './headless.ts';
import { classNames, writePictures } from './pictures.ts';
import { tensorsOf } from './safetensors.ts';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function finetune(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['scripts/finetune.mjs', ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

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
