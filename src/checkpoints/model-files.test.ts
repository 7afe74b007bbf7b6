// Files of several models mixed: all that is used comes from one folder, what lies elsewhere is named, and
// where only a person can tell which model is meant, one is asked for.
import { beforeAll, describe, expect, test } from 'vitest';
import { writeSafetensors } from '../formats/safetensors.ts';
import { present } from '../shared/assert.ts';
import { faultSentence } from '../shared/describe-fault.ts';
import type { Fault } from '../shared/fault.ts';
import { openModel } from './open-model.ts';
import {
  assertLogits,
  below,
  faultOf,
  opened,
  pile,
  refusal,
  renamed,
  tiny,
  withConfig,
  without,
  type Pile,
  type Tiny,
} from './testing/tiny-models.ts';
import { unwrap } from '../shared/result.ts';
let hf: Tiny;
let timm: Tiny;

beforeAll(async () => {
  [hf, timm] = [await tiny('tiny-hf'), await tiny('tiny-timm')];
});

describe('files of several models', () => {
  const checkpoint = async (classes: number): Promise<Pile> => ({
    ...(await withConfig(hf.files, {
      id2label: Object.fromEntries(Array.from({ length: classes }, (_, i) => [i, `old ${i}`])),
    })),
    'optimizer.pt': 'x',
    'trainer_state.json': '{}',
  });

  test("a trainer's folder: the root's weights and config, whatever the order of the files", async () => {
    const files = {
      ...below('run/checkpoint-10', await checkpoint(5)),
      ...below('run/checkpoint-20', await checkpoint(5)),
      ...below('run', hf.files),
    };
    for (const order of [pile(files), pile(files).reverse()]) {
      const model = unwrap(await openModel(order, 'run'));
      expect(model.summary.labels).toEqual(['class 0', 'class 1', 'class 2', 'class 3', 'class 4']);
      expect(model.summary.notes[0]).toBe(
        'Taken from the top folder. Not used: checkpoint-10/model.safetensors, checkpoint-20/model.safetensors.',
      );
      await assertLogits(model, hf.expected);
    }
  });

  test('names in capitals are those files', async () => {
    const capitals = Object.fromEntries(
      Object.entries(hf.files).map(([name, content]) => [name.toUpperCase(), content]),
    );
    const model = unwrap(await opened(capitals));
    expect(model.summary.labels).toHaveLength(5);
    await assertLogits(model, hf.expected);
    // Beside the usual name they are a second file, and the usual name is the first choice.
    const both = { ...hf.files, 'MODEL.SAFETENSORS': present(hf.files['model.safetensors'], 'weights') };
    expect(await faultOf(both)).toMatchObject({ kind: 'which-model' });
  });

  test('an index that names shards in folders says where they belong', async () => {
    const weights = present(hf.files['model.safetensors'], 'weights');
    const config = present(hf.files['config.json'], 'config');
    const index = JSON.stringify({ weight_map: { x: 'shards/model-00001-of-00001.safetensors' } });
    const words = await refusal({
      'config.json': config,
      'model.safetensors.index.json': index,
      'shards/model-00001-of-00001.safetensors': weights,
    });
    expect(words).toContain('"shards/model-00001-of-00001.safetensors", which is no shard beside it');
    expect(words).toContain('Put all shards into the folder of the index');
  });

  test("a system's own copies of names are no weights", async () => {
    const files = { ...hf.files, '._model.safetensors': 'x', '__MACOSX/._model.safetensors': 'x' };
    expect(unwrap(await opened(files)).summary.notes).toEqual([]);
    expect(unwrap(await opened(below('.cache/run', hf.files))).summary.notes).toEqual([]);
  });

  test('checkpoints beside each other are asked for; a rule takes the newest', async () => {
    const files = {
      ...below('run/checkpoint-10', await checkpoint(5)),
      ...below('run/checkpoint-9', hf.files),
      ...below('run/runs/x', { 'events.json': '{}' }),
    };
    const fault = await faultOf(files);
    expect(fault).toMatchObject({
      kind: 'which-model',
      choices: [
        {
          path: 'run/checkpoint-10/model.safetensors',
          title: 'checkpoint-10',
          about: '92 kB, vit, 5 classes',
        },
        { path: 'run/checkpoint-9/model.safetensors', title: 'checkpoint-9' },
      ],
      byRule: 'run/checkpoint-10/model.safetensors',
    });
    expect(faultSentence(fault)).toContain('2 folders beside each other hold weights: checkpoint-10 (92 kB');
    const model = unwrap(await opened(files, 'run/checkpoint-10/model.safetensors'));
    expect(model.summary.labels[0]).toBe('old 0');
    expect(model.summary.notes[0]).toBe(
      'Taken from checkpoint-10. Not used: checkpoint-9/model.safetensors.',
    );
    // As a person writes it on a command line: by its folder, below the one that was opened.
    expect(unwrap(await opened(files, 'checkpoint-9')).summary.labels[0]).toBe('class 0');
    expect(faultSentence(((await opened(files, 'checkpoint-8')) as { fault: Fault }).fault)).toContain(
      'No weights of this name are among the files: checkpoint-10/model.safetensors',
    );
  });

  test('exports mixed: the folder with weights gives the config, epsilon and preprocessing too', async () => {
    const files = {
      ...below('out/onnx', {
        'config.json': present(hf.files['config.json'], 'hf'),
        'preprocessor_config.json': present(hf.files['preprocessor_config.json'], 'hf'),
      }),
      'out/onnx/onnx/model.onnx': 'x',
      ...below('out/timm', timm.files),
    };
    const model = unwrap(await opened(files));
    expect(model.checkpoint.config.layerNormEps).toBe(1e-6);
    expect(model.summary.notes[0]).toBe(
      'Taken from timm. Not used: onnx/config.json, onnx/preprocessor_config.json.',
    );
    await assertLogits(model, timm.expected);
    expect(await faultOf({ ...below('out/hf', hf.files), ...below('out/timm', timm.files) })).toMatchObject({
      kind: 'which-model',
      choices: [{ title: 'hf' }, { title: 'timm', about: '91 kB, vit_tiny_patch16_224' }],
      byRule: 'out/hf/model.safetensors',
    });
  });

  test('of two weight files in a folder none is taken by its name alone', async () => {
    const weights = present(hf.files['model.safetensors'], 'hf');
    const rest = without(hf.files, 'model.safetensors');
    const two = { ...rest, 'best.safetensors': weights, 'last.safetensors': weights };
    expect(await faultOf(two)).toMatchObject({
      kind: 'which-model',
      detail: '2 files of weights lie in one folder, without an index that would make them one model',
      choices: [{ title: 'best.safetensors' }, { title: 'last.safetensors' }],
      byRule: null,
    });
    expect(unwrap(await opened(two, 'last.safetensors')).summary.notes[0]).toBe(
      'Taken from last.safetensors. Not used: best.safetensors.',
    );
    // The name that libraries read decides where nobody can be asked.
    expect(await faultOf({ ...hf.files, 'ema.safetensors': weights })).toMatchObject({
      choices: [{ title: 'model.safetensors' }, { title: 'ema.safetensors' }],
      byRule: 'model.safetensors',
    });
    const one = unwrap(await opened({ ...rest, 'best.safetensors': weights }));
    expect(one.summary.notes).toEqual([]);
    await assertLogits(one, hf.expected);
  });

  test('moments, logits and the state of a trainer are no weights', async () => {
    const moments = writeSafetensors(renamed(hf.tensors, (name) => `${name}.exp_avg`));
    const model = unwrap(
      await opened({
        ...hf.files,
        'optimizer.safetensors': present(hf.files['model.safetensors'], 'hf'),
        'moments.safetensors': moments,
        'random_states_0.safetensors': moments,
        'training_args.bin': 'x',
        'rng_state.pth': 'x',
      }),
    );
    expect(model.summary.notes).toEqual([]);
    expect(
      await refusal({ 'optimizer.pt': 'x', 'config.json': '{}', 'pytorch_model.bin': 'PK\u0003\u0004' }),
    ).toContain('pytorch_model.bin');
  });

  test('a config.json elsewhere is named, not used', async () => {
    const { 'config.json': config = '', ...rest } = hf.files;
    expect(await refusal({ ...below('run/weights', rest), 'run/config.json': config })).toContain(
      'No config.json lies in the folder of model.safetensors; one was seen elsewhere (config.json)',
    );
    expect(await refusal(rest)).toContain('model.safetensors is there, its config.json is not.');
  });

  test('shards come from the folder of their index', async () => {
    const entries = [...hf.tensors];
    const shard = (part: number): Blob => writeSafetensors(new Map(entries.filter((_, i) => i % 2 === part)));
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
    const index = JSON.stringify({
      weight_map: Object.fromEntries(entries.map(([name], i) => [name, names[i % 2]])),
    });
    const rest = without(hf.files, 'model.safetensors');
    const sharded: Pile = {
      ...rest,
      'model.safetensors.index.json': index,
      [names[0]]: shard(0),
      [names[1]]: shard(1),
    };
    await assertLogits(
      unwrap(
        await opened({
          ...below('run', sharded),
          ...below('run/checkpoint-1', { [names[0]]: 'x', [names[1]]: 'y' }),
        }),
      ),
      hf.expected,
    );
    const gap = without(sharded, names[1]);
    expect(
      await refusal({ ...below('run', gap), ...below('run/checkpoint-1', { [names[1]]: shard(1) }) }),
    ).toContain('split over 2 files, of which 1 is not here: model-00002-of-00002.safetensors');
    expect(await refusal({ ...rest, [names[0]]: shard(0), [names[1]]: shard(1) })).toContain(
      'index.json is not here',
    );
  });
});
