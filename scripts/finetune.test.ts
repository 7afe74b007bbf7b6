// `npm run finetune` without its browser: the command line, the files it hands over, what it shows on the
// way.
import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readArguments, usage } from './finetune/arguments.mjs';
import { nameEncodings } from '../src/formats/name-encoding.ts';
import { recipeDefaults } from '../src/recipe/recipe.ts';
import { collectImages, collectModel, hubImages, hubModel, prepareOut } from './finetune/collect.mjs';
import { readRecipe } from './finetune/recipe.mjs';
import { bar, span, startProgress } from './finetune/progress.mjs';

describe('arguments', () => {
  test('have defaults: what ships with Graft, into out', () => {
    expect(readArguments([])).toEqual({
      model: null,
      weights: null,
      adapter: null,
      adapterAs: 'merged',
      imageSize: null,
      data: null,
      validation: null,
      reading: { classFolder: 'auto', labels: 'auto', nameEncoding: 'auto', grey16: 'auto' },
      out: 'out',
      recipe: null,
      settings: [],
      autotune: 'auto',
      runtime: 'browser',
      backend: 'auto',
      engine: 'auto',
      formats: [],
      dtype: 'source',
      temperature: false,
      proof: false,
      json: false,
      help: false,
    });
  });

  test('--weights names a folder or a file inside of the model’s', () => {
    expect(readArguments(['--weights', './checkpoint-20/']).weights).toBe('checkpoint-20');
    expect(() => readArguments(['--weights', ''])).toThrow('--weights needs a path');
    const { adapter, adapterAs } = readArguments(['--adapter', 'lora', '--adapter-as', 'branches']);
    expect({ adapter, adapterAs }).toEqual({ adapter: 'lora', adapterAs: 'branches' });
    expect(() => readArguments(['--adapter-as', 'branches'])).toThrow('name its folder with --adapter');
    expect(() => readArguments(['--adapter', 'lora', '--adapter-as', 'x'])).toThrow('takes merged, branches');
  });

  test('are read, numbers as numbers', () => {
    const line =
      '--model m --image-size 96 --data d.zip --out o --steps 20 --seed 0 --batch=8 --backend wasm --json';
    const read = readArguments(line.split(' '));
    expect(read).toMatchObject({
      model: 'm',
      imageSize: 96,
      data: 'd.zip',
      out: 'o',
      backend: 'wasm',
      json: true,
    });
    expect(read.settings).toEqual([
      { path: 'steps', text: '20' },
      { path: 'batch', text: '8' },
      { path: 'seed', text: '0' },
    ]);
  });

  test('--export takes several formats, each once', () => {
    const read = readArguments(['--export', 'peft, hf-v5,peft', '--dtype', 'bf16', '--proof']);
    expect(read).toMatchObject({ formats: ['peft', 'hf-v5'], dtype: 'BF16', proof: true });
  });

  test('--epochs takes the place of the steps of a recipe, --steps that of both', () => {
    const read = (...argv: string[]) => readArguments(argv).settings;
    expect(read('--epochs', '2.5')).toEqual([
      { path: 'steps', text: 'null' },
      { path: 'epochs', text: '2.5' },
    ]);
    expect(read('--epochs', '2', '--steps', '9').map(({ path }) => path)).toEqual(['steps', 'epochs']);
  });

  test('--set takes any setting by its path', () => {
    const { settings } = readArguments(['--set', 'dmlora.rank=8', '--set', 'augment=none', '--seed', '3']);
    expect(settings).toEqual([
      { path: 'dmlora.rank', text: '8' },
      { path: 'augment', text: 'none' },
      { path: 'seed', text: '3' },
    ]);
  });

  test.each([
    [['--modle', 'x'], "'--modle'"],
    [['stray'], "'stray'"],
    [['--steps'], '--steps'],
    [['--seed', '-1'], '--seed'],
    [['--steps', ''], '--steps needs a number'],
    [['--set', 'rank'], '--set takes a setting as PATH=VALUE, like learningRate=1e-3, not "rank".'],
    [['--image-size', '0'], '--image-size takes a whole number of at least 1, not "0".'],
    [['--backend', 'cuda'], '--backend takes auto, webgpu, wasm, cpu, not "cuda".'],
    [['--class-folder', 'middle'], '--class-folder takes auto, first, last, not "middle".'],
    [['--grey16', 'low-byte'], '--grey16 takes auto, high-byte, image, set, not "low-byte".'],
    [['--names-encoding', 'klingon'], '--names-encoding takes auto, utf-8, cp437,'],
    [['--labels', 'tags'], '--labels takes auto, folders, names, table or column:NAME, not "tags".'],
    [['--engine', 'turbo'], '--engine takes auto, autodiff, kernels, not "turbo".'],
    [['--out', ''], '--out needs a path'],
    [['--export', 'hf,gguf'], '--export takes hf, hf-v5, timm, peft, onnx, onnx-q8, onnx-q4, not "gguf".'],
    [['--export', ''], '--export takes'],
    [['--dtype', 'int8'], '--dtype takes source, f32, f16, bf16, not "int8".'],
  ])('%j is refused by name', (argv, sentence) => {
    expect(() => readArguments(argv)).toThrow(sentence);
  });

  test.each([
    ['GBK', 'gb18030'],
    ['cp936', 'gb18030'],
    ['Shift-JIS', 'shift_jis'],
    ['cp866', 'ibm866'],
    ['cp850', 'cp850'],
    ['utf8', 'utf-8'],
  ])('an encoding may be called %s', (name, encoding) => {
    expect(readArguments(['--names-encoding', name]).reading.nameEncoding).toBe(encoding);
  });

  test('know every encoding that the page offers', () => {
    for (const { id } of nameEncodings)
      expect(readArguments(['--names-encoding', id]).reading.nameEncoding).toBe(id);
  });

  test('are all explained', () => {
    for (const flag of [
      'model',
      'image-size',
      'data',
      'class-folder',
      'names-encoding',
      'labels',
      'validation',
      'out',
      'recipe',
      'set',
      'steps',
      'epochs',
      'batch',
      'seed',
      'export',
      'weights',
      'dtype',
    ])
      expect(usage).toContain(`--${flag} `);
  });
});

describe('files', () => {
  let folder = '';
  const at = (...names: string[]) => join(folder, ...names);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'graft-finetune-'));
    for (const name of [
      'model/checkpoint-1/runs/deep',
      'model/.cache',
      'images/cat/old',
      'images/dog',
      'empty',
    ])
      await mkdir(at(name), { recursive: true });
    for (const name of [
      ...['model/config.json', 'model/.cache/config.json', 'model/checkpoint-1/config.json'],
      ...['model/checkpoint-1/events.out', 'model/checkpoint-1/runs/deep/config.json'],
      'images/cat/2.png',
      'images/cat/old/1.png',
      'images/dog/1.png',
    ])
      await writeFile(at(name), '{}');
    await writeFile(at('weights'), 'x');
    await symlink(at('weights'), at('model/model.safetensors'));
    await symlink(at('images'), at('images/dog/around'));
    await writeFile(at('set.ZIP'), '');
    await writeFile(at('recipe.json'), '{"steps": 5, "seed": 3}');
    await writeFile(at('list.json'), '[1]');
    await writeFile(at('large.json'), `{"seed": 1${' '.repeat(9_000_000)}}`);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('of a model may be on the Hub, where no folder has its name', async () => {
    const env = { HF_TOKEN: 'hf_x', GRAFT_HUB: 'https://hub.example.org,https://files.example.org' };
    expect(await hubModel('timm/vit_tiny@main', env)).toEqual({
      kind: 'hub',
      model: 'timm/vit_tiny@main',
      address: 'https://hub.example.org',
      token: 'hf_x',
    });
    expect(await hubModel('timm/vit_tiny', {})).toMatchObject({ address: '', token: '' });
    expect(await hubModel(at('model'), env)).toBe(null);
    for (const path of ['scripts/finetune', './a', '../a/b', 'a', 'a/b/c', '/a/b'])
      expect(await hubModel(path, env)).toBe(null);
  });

  test('of images may be on the Hub, where neither file nor folder has their name', async () => {
    const env = { HF_TOKEN: 'hf_x', GRAFT_HUB: 'https://hub.example.org' };
    const [address, token] = ['https://hub.example.org', 'hf_x'];
    for (const model of [
      'ann/birds',
      'ann/birds/small@main',
      'datasets/ann/birds',
      'hf://datasets/ann/birds',
    ])
      expect(await hubImages(model, env)).toEqual({ kind: 'hub', model, address, token });
    for (const path of [
      'scripts/finetune',
      './a',
      '../a/b',
      'a',
      'a/b/c/d',
      '/a/b',
      'sets/leaves.zip',
      'a/b.tar.gz',
    ])
      expect(await hubImages(path, env)).toBe(null);
  });

  test('of a model lie in its folder and those below it, of which the app chooses; links are followed', async () => {
    expect(await collectModel(at('model'))).toEqual({
      title: 'model',
      disk: [at('model/checkpoint-1/config.json'), at('model/config.json'), at('model/model.safetensors')],
      paths: ['checkpoint-1/config.json', 'config.json', 'model.safetensors'],
    });
  });

  test('of images keep their folders, and a link that leads back is followed once', async () => {
    const { title, paths, disk } = await collectImages('data', at('images'));
    expect(title).toBe('images');
    expect(paths).toEqual(['cat/2.png', 'cat/old/1.png', 'dog/1.png']);
    expect(disk).toEqual(paths.map((path) => at('images', path)));
  });

  test('of a model may be one archive', async () => {
    expect(await collectModel(at('set.ZIP'))).toEqual({
      title: 'set',
      disk: [at('set.ZIP')],
      paths: ['set.ZIP'],
    });
  });

  test('a zip is one file', async () => {
    expect(await collectImages('validation', at('set.ZIP'))).toEqual({
      title: 'set',
      disk: [at('set.ZIP')],
      paths: ['set.ZIP'],
    });
  });

  test('that are missing are named with their flag', async () => {
    await expect(collectModel(at('nowhere'))).rejects.toThrow('--model: there is nothing at');
    await expect(collectModel(at('weights'))).rejects.toThrow('is a file');
    await expect(collectModel(at('empty'))).rejects.toThrow('holds no files');
    await expect(collectImages('data', at('empty'))).rejects.toThrow('--data: the folder');
    await expect(collectImages('validation', at('nowhere'))).rejects.toThrow(
      '--validation: there is nothing',
    );
  });

  test('go into a folder that is made, and nowhere else', async () => {
    await prepareOut(at('new/deep'));
    await expect(readRecipe(at('new/deep'), [])).rejects.toThrow('cannot be read');
    await expect(prepareOut(at('weights'))).rejects.toThrow('--out: ');
    await expect(prepareOut(at('weights/below'))).rejects.toThrow('--out: ');
  });

  test('a recipe is laid under the flags, and completed', async () => {
    const steps = { path: 'steps', text: '9' };
    expect(await readRecipe(at('recipe.json'), [steps])).toEqual({ ...recipeDefaults, steps: 9, seed: 3 });
    expect(await readRecipe(at('recipe.json'), [])).toEqual({ ...recipeDefaults, steps: 5, seed: 3 });
    expect(await readRecipe(null, [steps])).toEqual({ ...recipeDefaults, steps: 9 });
    await expect(readRecipe(at('list.json'), [])).rejects.toThrow('A JSON object is needed, not a list');
    await expect(readRecipe(at('weights'), [])).rejects.toThrow('is not JSON');
    await expect(readRecipe(at('empty'), [])).rejects.toThrow('cannot be read');
    await expect(readRecipe(at('large.json'), [])).rejects.toThrow('no file of its kind has more than 8 MB');
  });

  test.each([
    ['steps', 'ten', 'A whole number between 1 and 1000000 is needed, not "ten".'],
    ['steps', '0', 'A whole number between 1'],
    ['epochs', '0', 'A number above 0 and at most 10000 is needed'],
    ['learningRate', '12', 'A number above 0 and at most 10 is needed, not "12".'],
    ['dmlora.targets', 'k', 'One of qv, qkv, qkv+proj, all is needed, not "k".'],
    ['rank', '8', 'perhaps dmlora.rank is meant'],
    ['dmlora.branches', '1', '2 branches cannot be left of 1.'],
  ])('%s=%s is refused by the table that the page reads', async (path, text, sentence) => {
    const refused = readRecipe(null, [{ path, text }]);
    await expect(refused).rejects.toThrow(sentence);
    await expect(refused).rejects.toMatchObject({ fault: { kind: 'bad-recipe' } });
  });
});

describe('progress', () => {
  const steps = (step: number) => ({
    kind: 'steps' as const,
    rows: [{ step, loss: 0.5, accuracy: 0.75, learningRate: 1e-3, gradientNorm: 1 }],
    imagesPerSecond: 10,
    secondsPerStep: 1,
    secondsLeft: 150,
    memory: { bufferBytes: 1, peakBufferBytes: 1, count: 1 },
  });

  test('is one rewritten line on a terminal', () => {
    let text = '';
    const progress = startProgress({ isTTY: true, columns: 120, write: (part: string) => (text += part) });
    progress.begin(20);
    progress.event(steps(9));
    expect(text).toBe('\r\x1b[2K[##########..........] step 10/20: loss 0.5000, accuracy 75.0 %, 3 min left');
  });

  test('is an occasional plain line elsewhere', () => {
    let text = '';
    let ms = 0;
    const progress = startProgress({ write: (part: string) => (text += part) }, () => ms);
    progress.begin(20);
    for (let step = 0; step < 20; step += 1, ms += 1000) progress.event(steps(step));
    expect(text).toBe(
      'step 1/20: loss 0.5000, accuracy 75.0 %, 3 min left\nstep 16/20: loss 0.5000, accuracy 75.0 %, 3 min left\n',
    );
  });

  test('tells evaluations and drops on lines of their own', () => {
    let text = '';
    const progress = startProgress({ write: (part: string) => (text += part) });
    progress.event({ kind: 'evaluated', step: 5, epoch: 1, validation: { loss: 1, accuracy: 0.5 } });
    const drop = { step: 8, module: 'blocks.0.q', branch: 1, strength: 0.2, lossBefore: 1, lossAfter: 1.5 };
    progress.event({ kind: 'dropped', drops: [drop, { ...drop, module: 'blocks.0.v' }] });
    expect(text).toBe(
      'step 5: validation loss 1.0000, accuracy 50.0 %\nstep 8: 2 branches dropped, loss 1.0000 before, 1.5000 after\n',
    );
  });

  test('spells spans and bars', () => {
    expect([span(41.2), span(600), span(7500)]).toEqual(['42 s', '10 min', '2 h 05 min']);
    expect(bar(1, 4, 8)).toBe('[##......]');
  });
});
