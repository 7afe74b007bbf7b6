// Every family's formats, offered or refused by name; and what of a backbone was tuned, in formats that hold it.
import { expect, test } from 'vitest';
import { openModel, type OpenModel } from '../checkpoints/open-model.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import { tunedStart, type Tune } from '../dmlora/tuned.ts';
import { randomAdapter, randomValues } from '../engine/checks/random-model.ts';
import { ndArray, type NdArray } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import { unwrap } from '../shared/result.ts';
import type { ExportFormat } from './export-types.ts';
import { classes, exported, filesIn, filesOf, open, weightsOf } from './testing/exporting.ts';

/** An adapter of a head alone. */
const bare = ({ model }: OpenModel): Adapter => ({
  ...randomAdapter(model.config, classes.length),
  modules: [],
});

/** Every parameter of a backbone that is tuned by a choice, moved a little, each otherwise. */
function tuned({ model }: OpenModel, tune: Tune = 'all'): Pick<Adapter, 'backbone'> {
  const { backbone = new Map<string, NdArray>() } = tunedStart(model, tune);
  const moved = [...backbone].map(([name, { shape, data }], i) => {
    const noise = randomValues(100 + i, data.length);
    return [
      name,
      ndArray(
        shape,
        data.map((value, at) => value + 0.02 * (noise[at] ?? 0)),
      ),
    ] as const;
  });
  return { backbone: new Map(moved) };
}

const offered: [string, readonly ExportFormat[], string][] = [
  ['families/hf-dinov2-registers', ['hf', 'hf-v5', 'peft', 'onnx'], 'the mean of the patches'],
  ['families/hf-siglip', ['hf', 'hf-v5', 'timm', 'peft', 'onnx'], ''],
  ['families/hf-clip-vision', ['hf', 'hf-v5', 'timm', 'peft', 'onnx'], ''],
  ['families/hf-deit-distilled', ['hf', 'hf-v5', 'timm', 'peft', 'onnx'], ''],
  ['families/timm-deit-distilled', ['hf', 'hf-v5', 'timm', 'peft', 'onnx'], ''],
  ['families/timm-vit-avg', ['timm', 'peft', 'onnx'], 'does not read the class token'],
  ['families/timm-deit3', ['timm', 'peft', 'onnx'], 'layer scale'],
];
test.each(offered)('%s: %j', async (folder, expected, why) => {
  const source = await open(folder);
  const adapter = randomAdapter(source.model.config, classes.length, {
    branches: 2,
    rank: 2,
    targets: 'all',
  });
  // Ranks that differ from module to module.
  const modules = adapter.modules.map((module, i) =>
    i % 3 === 0 ? { ...module, branches: module.branches.slice(1) } : module,
  );
  const all = ['hf', 'hf-v5', 'timm', 'peft', 'onnx'] as const;
  const formats = await exported(source, { ...adapter, modules }, all, 'F32');
  expect(formats.filter(({ refused }) => refused === null).map(({ format }) => format)).toEqual(expected);
  for (const { refused } of formats) if (refused !== null) expect(refused).toContain(why);
});

test.each(offered)('%s, all of it tuned', async (folder, expected) => {
  const source = await open(folder);
  const adapter = randomAdapter(source.model.config, classes.length, {
    branches: 1,
    rank: 2,
    targets: 'qv',
  });
  const formats = await exported(source, { ...adapter, ...tuned(source) }, [...expected, 'source'], 'F32');
  const refused = formats.filter((one) => one.refused !== null);
  expect(refused.map(({ format }) => format)).toEqual(['peft']);
  expect(refused[0]?.refused).toContain('tuned all of the backbone too');
});

// The export is read back as PEFT would and compared with the run's own answers, as every format is.
test.each(offered)('%s, LayerNorms or biases tuned beside its branches', async (folder) => {
  const source = await open(folder);
  const { config } = source.model;
  const adapter = randomAdapter(config, classes.length, { branches: 2, rank: 2, targets: 'qv' });
  for (const tune of ['norms', 'biases'] as const) {
    const beside = tuned(source, tune);
    const [peft] = await exported(source, { ...adapter, ...beside }, ['peft'], 'F32');
    const files = filesOf([present(peft, 'peft')], 'peft');
    const written = await weightsOf(files, 'adapter_model.safetensors');
    const alone = await weightsOf(
      filesOf(await exported(source, adapter, ['peft'], 'F32'), 'peft'),
      'adapter_model.safetensors',
    );
    const added = [...written.keys()].filter((name) => !alone.has(name));
    const fused = [...written.keys()].some((name) => name.includes('.qkv.'));
    const vectors = beside.backbone?.size ?? 0;
    // q, k and v of a block have one bias where they are one linear.
    expect(added).toHaveLength(vectors - (fused && tune === 'biases' ? 2 * config.depth : 0));
    const text = await present(
      files.find(({ name }) => name === 'adapter_config.json'),
      'config',
    ).blob.text();
    const { bias, modules_to_save: saved } = JSON.parse(text) as {
      bias: string;
      modules_to_save: string[];
    };
    expect(bias).toBe(tune === 'biases' ? 'all' : 'none');
    const norms = added.map((name) => name.replace('base_model.model.', '').replace(/\.[^.]+$/, ''));
    const whole = new Set([...source.checkpoint.heads, ...(tune === 'norms' ? norms : [])]);
    expect([...saved].sort()).toEqual([...whole].sort());
    // What is added to weights is halved, and values are not.
    const half = filesOf(await exported(source, { ...adapter, ...beside }, ['peft'], 'F16'), 'peft');
    for (const [name, { dtype }] of await weightsOf(half, 'adapter_model.safetensors'))
      expect([name, dtype]).toEqual([name, added.includes(name) ? 'F32' : 'F16']);
    // Brought back, it is merged into its base; branches, which leave the rest as it is, cannot begin from it.
    const folders = { files: files.map(({ name, blob }) => ({ path: name, blob })), as: 'merged' } as const;
    const opened = unwrap(await openModel(await filesIn(folder), folder, { adapter: folders }));
    for (const [name, { data }] of beside.backbone ?? [])
      expect([name, opened.model.weights.get(name)?.data]).toEqual([name, data]);
    expect(
      await openModel(await filesIn(folder), folder, { adapter: { ...folders, as: 'branches' } }),
    ).toMatchObject({ ok: false, fault: { why: 'adapter-start' } });
    // In a linear that is adapted the bias is that of the original within.
    if (tune === 'biases')
      expect(added.filter((name) => /\.base_layer\.bias$/.test(name)).length).toBe(
        (fused ? 1 : 2) * config.depth,
      );
  }
});

test('positions that were tuned at another image size are written at that', async () => {
  const source = await open('families/timm-deit3', { imageSize: 48 });
  const { size } = await weightsOf(
    filesOf(await exported(source, { ...bare(source), ...tuned(source) }, ['timm'], 'F32'), 'timm'),
  );
  expect(size).toBeGreaterThan(10);
});

test('a run without branches leaves its model, and no LoRA', async () => {
  const source = await open('reference/micro_vit_hf');
  const [hf, peft] = await exported(source, bare(source), ['hf', 'peft'], 'F32');
  expect(hf?.refused).toBeNull();
  expect(peft?.refused).toContain('There are no branches');
});
