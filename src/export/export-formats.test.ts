// Exports end to end, without a browser: names and bytes of what is written, the reference's own PEFT
// adapter, the way to another library and back, and a proof that fails.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Adapter } from '../dmlora/adapter.ts';
import { dropBranches } from '../dmlora/drop-plan.ts';
import { randomAdapter, randomValues } from '../engine/checks/random-model.ts';
import { asCrossed } from '../engine/checks/crossed-check.ts';
import { assertClose } from '../engine/checks/close.ts';
import { autodiffOn, readReference } from '../engine/checks/node-backends.ts';
import { adapterFrom, readTensors } from '../engine/checks/reference.ts';
import { decodeFloats } from '../formats/float-types.ts';
import { readHeader, readTensorBytes, writeSafetensors, type TensorToWrite } from '../formats/safetensors.ts';
import { cancelled } from '../shared/fault.ts';
import { ok, unwrap } from '../shared/result.ts';
import { pauseOf } from './pause.ts';
import { openModel, type OpenModel } from '../checkpoints/open-model.ts';
import type { ExportedFile, FormatExport } from './export-types.ts';
import type { SourceFile } from '../data/source-file.ts';
import { ProofEngine } from './proof-engine.ts';
import {
  classes,
  counted,
  exported,
  filesOf,
  open,
  outcomeOf,
  testdata,
  weightsOf,
} from './testing/exporting.ts';

describe('the micro ViT', () => {
  let source: OpenModel;
  let trained: Adapter;
  let written: readonly FormatExport[];
  beforeAll(async () => {
    source = await open('reference/micro_vit_hf');
    trained = adapterFrom(await readTensors(readReference, 'train_zero.safetensors'), 'after30.');
    // Query and value alone, so that most tensors are untouched.
    const modules = trained.modules.filter(({ name }) => /\.(q|v)$/.test(name));
    written = await exported(source, { ...trained, modules }, ['hf', 'hf-v5', 'timm', 'onnx']);
  });

  test('keeps what was not adapted bit for bit, in its names', async () => {
    const tensors = await weightsOf(filesOf(written, 'hf'));
    expect([...tensors.keys()].sort()).toEqual([...source.header.tensors.keys()].sort());
    for (const [name, entry] of source.header.tensors) {
      const changed = /(query|value)\.weight$|^classifier/.test(name);
      const same = Buffer.from(await readTensorBytes(source.file, entry)).equals(tensors.get(name)!.bytes);
      expect([name, same]).toEqual([name, !changed]);
    }
  });

  test('has the names of transformers 5 and of timm, with the same bytes', async () => {
    const hf = await weightsOf(filesOf(written, 'hf'));
    const v5 = await weightsOf(filesOf(written, 'hf-v5'));
    const timm = await weightsOf(filesOf(written, 'timm'));
    const block = 'vit.encoder.layer.1';
    for (const [old, renamed] of [
      [`${block}.attention.attention.key.weight`, 'vit.layers.1.attention.k_proj.weight'],
      [`${block}.attention.output.dense.bias`, 'vit.layers.1.attention.o_proj.bias'],
      [`${block}.layernorm_after.weight`, 'vit.layers.1.layernorm_after.weight'],
      [`${block}.output.dense.weight`, 'vit.layers.1.mlp.fc2.weight'],
      ['vit.embeddings.cls_token', 'vit.embeddings.cls_token'],
    ] as const)
      expect(v5.get(renamed)).toEqual({ ...hf.get(old), ...positions(v5.get(renamed)) });
    expect([v5.size, timm.size]).toEqual([hf.size, hf.size - 2 * 4]);
    const parts = ['query', 'key', 'value'].map(
      (part) => hf.get(`${block}.attention.attention.${part}.weight`)!.bytes,
    );
    const qkv = timm.get('blocks.1.attn.qkv.weight')!;
    expect(qkv.shape).toEqual([96, 32]);
    expect(Buffer.concat(parts).equals(qkv.bytes)).toBe(true);
    expect(timm.get('head.weight')!.bytes).toEqual(hf.get('classifier.weight')!.bytes);
  });

  test('goes to timm and back, bit for bit', async () => {
    const files = filesOf(written, 'timm').map(({ name, blob }) => ({ path: name, blob }));
    const reopened = unwrap(await openModel(files, 'timm'));
    expect(reopened.preprocessing).toMatchObject({ filter: source.preprocessing.filter });
    const back = await exported(reopened, { ...trained, modules: [] }, ['hf']);
    const [first, second] = [await weightsOf(filesOf(written, 'hf')), await weightsOf(filesOf(back, 'hf'))];
    expect([...second.keys()].sort()).toEqual([...first.keys()].sort());
    for (const [name, { bytes, shape }] of first) {
      expect(second.get(name)!.shape).toEqual(shape);
      expect(second.get(name)!.bytes).toEqual(bytes);
    }
  });

  test.each([
    ['F16', 'float16'],
    ['BF16', 'bfloat16'],
  ] as const)('in %s has that type throughout, in its config too', async (dtype, word) => {
    const formats = await exported(source, trained, ['hf', 'timm', 'onnx'], dtype);
    const files = filesOf(formats, 'hf');
    for (const tensor of (await weightsOf(files)).values()) expect(tensor.dtype).toBe(dtype);
    const config = JSON.parse(await files.find(({ name }) => name === 'config.json')!.blob.text()) as Record<
      string,
      unknown
    >;
    expect(config['dtype']).toBe(word);
    expect(config['id2label']).toEqual(Object.fromEntries(classes.entries()));
    const onnx = filesOf(formats, 'onnx').map(({ name }) => name);
    expect(onnx).toContain(dtype === 'F16' ? 'onnx/model_fp16.onnx' : 'onnx/model.onnx');
  });

  test('as a PEFT adapter equals the one that PEFT itself wrote and loaded', async () => {
    const files = filesOf(await exported(source, trained, ['peft']), 'peft');
    const ours = await weightsOf(files, 'adapter_model.safetensors');
    const reference = new Blob([
      await readFile(path.join(testdata, 'reference/peft_adapter/adapter_model.safetensors')),
    ]);
    const header = unwrap(await readHeader(reference, 'reference'));
    expect([...ours.keys()].sort()).toEqual([...header.tensors.keys()].sort());
    for (const [name, entry] of header.tensors) {
      const { bytes, shape } = ours.get(name)!;
      expect(shape).toEqual(entry.shape);
      const theirs = decodeFloats(await readTensorBytes(reference, entry), 'F32');
      assertClose(name, decodeFloats(bytes, 'F32'), theirs, { abs: 1e-6, rel: 0 });
    }
  });

  test('as a PEFT adapter says the window that 16-bit grey was seen through, and is opened with it', async () => {
    const grey16 = { kind: 'set', percentiles: [1, 99], low: 312.25, high: 2000 } as const;
    const seen = { ...source, preprocessing: { ...source.preprocessing, grey16 } };
    const pathed = (files: readonly ExportedFile[]): SourceFile[] =>
      files.map(({ name, blob }) => ({ path: name, blob }));
    const folder = pathed(filesOf(await exported(seen, trained, ['peft']), 'peft'));
    expect(folder.map(({ path: name }) => name)).toContain('preprocessor_config.json');
    // The base is as it was before, and says nothing of a window.
    const plain = pathed(filesOf(await exported(source, { ...trained, modules: [] }, ['hf']), 'hf'));
    expect(unwrap(await openModel(plain, 'base')).preprocessing.grey16).toBeUndefined();
    for (const as of ['merged', 'branches'] as const) {
      const opened = unwrap(await openModel(plain, 'base', { adapter: { files: folder, as } }));
      expect(opened.preprocessing.grey16).toEqual(grey16);
      // What is kept of it to be opened again says it too.
      expect(opened.sources.adapter?.files.map(({ path: name }) => name)).toContain(
        'preprocessor_config.json',
      );
    }
    const without = filesOf(await exported(source, trained, ['peft']), 'peft');
    expect(without.map(({ name }) => name)).not.toContain('preprocessor_config.json');
  });

  test('with what its weights absorbed is proved merged, and as a PEFT adapter that has it as rank', async () => {
    const drops = new Map(
      trained.modules.map(({ name, branches }, i) => [name, branches[i % 2]?.index ?? 0]),
    );
    const absorbing = dropBranches(trained, drops, 'absorb');
    const formats = await exported(source, absorbing, ['hf', 'peft']);
    const adapter = await weightsOf(filesOf(formats, 'peft'), 'adapter_model.safetensors');
    const ranks = [...adapter].filter(([name]) => name.includes('lora_A')).map(([, { shape }]) => shape[0]);
    expect(ranks).toEqual(Array<number>(12).fill(4)); // one branch of rank 2 lives, one was absorbed
    const [merged, before] = [
      await weightsOf(filesOf(formats, 'hf')),
      await exported(source, trained, ['hf']),
    ];
    for (const [name, { bytes }] of await weightsOf(filesOf(before, 'hf')))
      assertClose(name, decodeFloats(merged.get(name)!.bytes, 'F32'), decodeFloats(bytes, 'F32'), {
        abs: 1e-6,
        rel: 0,
      });
  });

  test('of crossed branches is proved merged and as ONNX, and is a PEFT adapter of the rank of one branch', async () => {
    const formats = await exported(source, asCrossed(trained), ['hf', 'onnx', 'peft']);
    const adapter = await weightsOf(filesOf(formats, 'peft'), 'adapter_model.safetensors');
    const ranks = [...adapter].filter(([name]) => name.includes('lora_A')).map(([, { shape }]) => shape[0]);
    expect(ranks).toEqual(Array<number>(12).fill(2));
    const [merged, paired] = [
      await weightsOf(filesOf(formats, 'hf')),
      await exported(source, trained, ['hf']),
    ];
    const name = 'vit.encoder.layer.0.intermediate.dense.weight';
    expect(merged.get(name)!.bytes).not.toEqual((await weightsOf(filesOf(paired, 'hf'))).get(name)!.bytes);
  });

  test('as ONNX in few bits is offered while its answers stay, and refused by a sentence when not', async () => {
    const [q8, q4] = await exported(source, trained, ['onnx-q8', 'onnx-q4'], 'F16');
    expect(q8).toMatchObject({ refused: null, proof: { images: 3, sameAnswers: 3 } });
    expect(q8!.proof!.maxLogitDifference).toBeGreaterThan(1e-4);
    expect(q8!.files[0]!.name).toBe('onnx/model_quantized.onnx');
    const config = await q8!.files.find(({ name }) => name === 'config.json')!.blob.text();
    expect(config).toMatch(/"dtype": ?"q8"/);
    // Weights of one draw hardly tell these three images apart: the least change turns one over.
    expect(q4).toMatchObject({ files: [] });
    expect(q4!.refused).toMatch(/first answer stays the same on \d of 3|a quarter of the largest/);
    const [far] = await exported(source, trained, ['onnx-q8'], 'source', { logitShift: 100 });
    expect(far).toMatchObject({ files: [] });
    expect(far!.refused).toContain('more than a quarter of the largest');
  });

  test('is not offered when the proof fails, and says by how much', async () => {
    // The second has the weights of the first, bit for bit, and must not pass for it.
    const formats = await exported(source, trained, ['hf', 'timm'], 'source', { logitShift: 0.01 });
    for (const format of formats) {
      expect(format).toMatchObject({ files: [] });
      expect(format.refused).toContain('a logit differs by 1.0e-2');
    }
  });

  test('weights that are the same bit for bit run once, on one engine, and are named', async () => {
    const taken = { engines: 0, prepared: 0, images: 0 };
    const all = ['source', 'hf', 'hf-v5', 'timm', 'onnx', 'peft'] as const;
    const formats = await exported(source, trained, all, 'F32', { taken });
    expect(formats.map(({ proof }) => proof?.sameWeightsAs)).toEqual([
      ...[null, 'source', 'source', 'source', 'source'],
      // Its sums are made by PEFT's rule: other last bits.
      null,
    ]);
    expect(taken).toEqual({ engines: 1, prepared: 2, images: 2 * 3 });
    expect(formats.map(({ proof }) => proof?.graphImages)).toEqual([0, 0, 0, 0, 3, 0]);
  });

  test('weights of another type run by themselves', async () => {
    const taken = { engines: 0, prepared: 0, images: 0 };
    const formats = await exported(source, trained, ['timm', 'onnx'], 'BF16', { taken });
    expect(formats.map(({ refused, proof }) => [refused, proof?.sameWeightsAs])).toEqual([
      [null, null],
      [null, null],
    ]);
    expect(taken).toMatchObject({ engines: 1, prepared: 2 });
  });

  test('is proved on a sample of many validation images, which is told as one', async () => {
    const taken = { engines: 0, prepared: 0, images: 0 };
    const [hf, peft] = await exported(source, trained, ['source', 'peft'], 'source', {
      ...{ taken, validationImages: 90 },
    });
    for (const one of [hf, peft]) expect(one!.proof).toMatchObject({ images: 64, of: 90, sameAnswers: 64 });
    expect(taken.images).toBe(2 * 64);
  });

  test.each(['Merging', 'Writing and proving hf', 'Writing and proving onnx'])(
    'ends where it is cancelled at "%s", offers nothing and can be asked for again',
    async (where) => {
      const stop = new AbortController();
      const seen: string[] = [];
      const outcome = await outcomeOf(source, trained, ['hf', 'onnx', 'peft'], 'source', {
        signal: stop.signal,
        onProgress: (what) => {
          seen.push(what);
          if (what === where) stop.abort();
        },
      });
      expect(outcome).toEqual({ ok: false, fault: cancelled('export') });
      expect(seen.at(-1)).toBe(where);
      const again = await exported(source, trained, ['hf']);
      expect(again[0]).toMatchObject({ refused: null });
    },
  );

  test('a proof that is cancelled leaves an engine that the next one uses', async () => {
    const taken = { engines: 0, prepared: 0, images: 0 };
    const side = source.model.config.imageSize;
    const engine = new ProofEngine(async () => {
      taken.engines += 1;
      return ok(counted(await autodiffOn('cpu')(), 3 * side * side, taken));
    });
    const images = {
      labels: new Int32Array(9),
      slice: (begin: number, end: number) => ({
        kind: 'normalised' as const,
        data: randomValues(3, (end - begin) * 3 * side * side),
      }),
    };
    const run = (pause: () => Promise<void>) =>
      engine.logits(source.model, trained, source.preprocessing, images, 3, pause);
    const stop = new AbortController();
    const pause = pauseOf(stop.signal);
    const cut = run(() => {
      stop.abort();
      return pause();
    });
    await expect(cut).rejects.toMatchObject({ fault: cancelled('export') });
    expect(taken.images).toBe(3);
    unwrap(await run(pauseOf(new AbortController().signal)));
    engine.dispose();
    expect(taken).toEqual({ engines: 1, prepared: 2, images: 3 + 9 });
  });
});

/** Where a tensor lies is not what it is. */
const positions = (tensor: object | undefined): object => {
  const { begin, end } = tensor as { begin: number; end: number };
  return { begin, end };
};

/** The micro ViT with other names and tensors, and with more in its config.json. */
async function altered(
  rename: (name: string) => string,
  added: readonly string[],
  fields: Readonly<Record<string, unknown>>,
): Promise<OpenModel> {
  const plain = await open('reference/micro_vit_hf');
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, { dtype, shape, begin, end }] of plain.header.tensors)
    tensors.set(rename(name), { dtype, shape, bytes: plain.file.slice(begin, end) });
  for (const name of added) tensors.set(name, { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) });
  const at = path.join(testdata, 'reference/micro_vit_hf');
  const config = JSON.parse(await readFile(path.join(at, 'config.json'), 'utf8')) as object;
  const files = [
    { path: 'model.safetensors', blob: writeSafetensors(tensors) },
    { path: 'config.json', blob: new Blob([JSON.stringify({ ...config, ...fields })]) },
  ];
  return unwrap(await openModel(files, 'altered'));
}

describe('what the source is besides', () => {
  const all = ['source', 'hf', 'hf-v5', 'timm'] as const;
  const adapterOf = (source: OpenModel): Adapter =>
    randomAdapter(source.model.config, classes.length, { branches: 1, rank: 2, targets: 'qv' });
  const notesOf = (formats: readonly FormatExport[]) => formats.map(({ refused, note }) => [refused, note]);

  test('heads of another make, decoders and averaged copies stay behind and are named', async () => {
    const source = await altered(
      (name) => name.replace('classifier.', 'classifier.1.'),
      ['decoder_pos_embed', 'decoder_blocks.0.norm1.weight', 'decoder_blocks.1.norm1.weight', 'ema.decay'],
      {},
    );
    const formats = await exported(source, adapterOf(source), all);
    const note =
      'Left out, since this kind of model has no place for them: classifier.1 (2 tensors), ' +
      'decoder_blocks (2 tensors), decoder_pos_embed, ema.decay.';
    expect(notesOf(formats)).toEqual(all.map(() => [null, note]));
    const names = [...(await weightsOf(filesOf(formats, 'source'))).keys()];
    const plain = await open('reference/micro_vit_hf');
    expect(names.sort()).toEqual([...plain.header.tensors.keys()].sort());
  });

  test('a model with nothing besides is written without a note', async () => {
    const source = await open('reference/micro_vit_hf');
    expect(notesOf(await exported(source, adapterOf(source), all))).toEqual(all.map(() => [null, null]));
  });

  test('config.json says what the exported model is, and nothing else', async () => {
    const source = await altered((name) => name, [], {
      ...{ problem_type: 'multi_label_classification', finetuning_task: 'x', _name_or_path: '/a/b' },
      ...{ quantization_config: { quant_method: 'bitsandbytes' }, torch_dtype: 'bfloat16', dtype: 'float16' },
      ...{ auto_map: { AutoModel: 'a.B' }, return_dict: false, torchscript: true, pruned_heads: { 0: [1] } },
      ...{
        task_specific_params: {},
        num_labels: 9,
        label_smoothing: 0.1,
        hidden_dropout_prob: 0.5,
        initializer_range: 0.02,
      },
      ...{ architectures: ['ViTModel'], transformers_version: '4.0.0', of_my_own: 1 },
    });
    const files = filesOf(await exported(source, adapterOf(source), ['hf']), 'hf');
    const text = await files.find(({ name }) => name === 'config.json')!.blob.text();
    const json = JSON.parse(text) as Record<string, unknown>;
    expect(Object.keys(json)).toEqual([
      ...['architectures', 'attention_probs_dropout_prob', 'dtype', 'hidden_act', 'hidden_dropout_prob'],
      ...['hidden_size', 'id2label', 'image_size', 'initializer_range', 'intermediate_size', 'label2id'],
      ...['layer_norm_eps', 'model_type', 'num_attention_heads', 'num_channels', 'num_hidden_layers'],
      ...['patch_size', 'qkv_bias'],
    ]);
    expect(json).toMatchObject({
      ...{ architectures: ['ViTForImageClassification'], dtype: 'float32', hidden_dropout_prob: 0.5 },
      id2label: Object.fromEntries(classes.entries()),
    });
  });

  test('timm’s config keeps its architecture and nothing of where its weights came from', async () => {
    const at = path.join(testdata, 'families/timm-vit-avg');
    const config = JSON.parse(await readFile(path.join(at, 'config.json'), 'utf8')) as {
      pretrained_cfg: object;
    };
    const pretrained_cfg = {
      ...config.pretrained_cfg,
      ...{
        url: 'https://example.org/x.npz',
        hf_hub_id: 'a/b',
        custom_load: true,
        label_offset: 1,
        tag: 'in1k',
      },
    };
    const text = JSON.stringify({ ...config, pretrained_cfg, label_descriptions: {}, model_type: 'x' });
    const weights = new Blob([await readFile(path.join(at, 'model.safetensors'))]);
    const files = [
      { path: 'model.safetensors', blob: weights },
      { path: 'config.json', blob: new Blob([text]) },
    ];
    const source = unwrap(await openModel(files, 'timm'));
    const written = filesOf(await exported(source, adapterOf(source), ['timm']), 'timm');
    const json = JSON.parse(await written.find(({ name }) => name === 'config.json')!.blob.text()) as {
      pretrained_cfg: object;
    };
    expect(Object.keys(json)).toEqual([
      ...['architecture', 'num_classes', 'num_features', 'global_pool', 'label_names', 'model_args'],
      'pretrained_cfg',
    ]);
    expect(json).toMatchObject({ architecture: 'vit_tiny_patch16_224', label_names: classes });
    for (const key of ['url', 'hf_hub_id', 'label_offset', 'tag'])
      expect(json.pretrained_cfg).not.toHaveProperty(key);
    expect(json.pretrained_cfg).toMatchObject({ custom_load: false, num_classes: classes.length });
  });
});
