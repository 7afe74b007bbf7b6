// The card: names of classes and data sets cannot break its front matter, its tables or its HTML.
import { describe, expect, test } from 'vitest';
import { markdownText, modelCard, yamlString, type CardFacts } from './model-card.ts';

const facts: CardFacts = {
  format: 'hf',
  library: 'transformers',
  title: 'a: "b" # c',
  baseClass: 'ViTForImageClassification',
  modelType: 'vit',
  mean: null,
  baseModel: 'owner/name',
  revision: 'abc',
  licence: 'apache-2.0',
  architecture: 'ViT',
  preprocessing: 'as is',
  dtype: 'float32',
  data: {
    title: 'set\n---\nlicense: mit',
    classes: [{ name: '<img src=x>|`x`', train: 3, validation: 1 }],
    splitBy: 'seed',
    together: null,
    fold: null,
    test: 0,
    pixels: [],
  },
  grey16: null,
  recipe: new Map([['seed', '1']]),
  tuned: null,
  branches: {
    modules: 2,
    start: 4,
    end: 2,
    rank: 4,
    targets: 'qv',
    dropSteps: [2, 5],
    drops: 'Chance drew them.',
    stage2: 'The scalars were not trained.',
    scalars: [{ module: 'blocks.0.q', scalar: 1.25 }],
  },
  validation: 'chose',
  metrics: [{ name: 'Validation', images: 10, accuracy: 0.9, interval: [0.6, 0.98], loss: 0.3 }],
  diverged: null,
  kept: 'The result is the last state.',
  temperature: null,
  proof: {
    ...{ images: 10, of: 10, maxLogitDifference: 1.5e-6, maxLogit: 4, sameAnswers: 10 },
    ...{ sameWeightsAs: null, graphImages: 0 },
  },
  ranOn: 'wasm',
  build: 'x',
  note: 'Left out: head.1.',
  onnxFile: null,
};

test('strings of the front matter are quoted whatever they hold', () => {
  expect(yamlString('a: "b"\n# c')).toBe('"a: \\"b\\"\\n# c"');
  expect(yamlString('\u0085\u2028')).toBe('"\\u0085\\u2028"');
  expect(yamlString('قطة')).toBe('"قطة"');
});

test('text in the body is one line without markup', () => {
  expect(markdownText('a\n|b| <i>`c`</i>')).toBe('a \\|b\\| &lt;i&gt;\\`c\\`&lt;/i&gt;');
});

test('a name of ten thousand characters, or one that reads backwards, leaves the card as it is', () => {
  const name = `\u202egpj.${'x'.repeat(10_000)}`;
  const named = { ...facts.data, title: name, classes: [{ name, train: 3, validation: 1 }] };
  const card = modelCard({ ...facts, title: name, data: named });
  expect(card).not.toContain('\u202e');
  expect(card).toContain('| gpj.xxx');
  expect(Math.max(...card.split('\n').map((line) => line.length))).toBeLessThan(1000);
});

test('a name cannot end the front matter or add a field to it', () => {
  const card = modelCard(facts);
  const [, front = ''] = card.split(/^---$/m);
  expect(card.startsWith('---\n')).toBe(true);
  expect(front.match(/^license:/gm)).toEqual(['license:']);
  expect(front).toContain('name: "set --- license: mit"');
  expect(front).toContain('base_model: "owner/name"\nbase_model_relation: finetune');
  expect(card).not.toContain('<img');
});

test('it says what it must: the proof, the interval, and where the method comes from', () => {
  const card = modelCard(facts);
  for (const words of [
    '1.5e-6',
    '60.0 % to 98.0 %, too few to tell',
    're-specified from the abstract',
    'steps 2, 5',
    '1.250',
    'Left out: head.1.',
  ])
    expect(card).toContain(words);
});

test('a run that diverged says so beside its results, and no other does', () => {
  const said = 'By step 9 the loss was 51,313. The result is its best validated state, that of step 4.';
  expect(modelCard({ ...facts, diverged: said })).toContain(`**The training diverged.** ${said}`);
  expect(modelCard(facts)).not.toContain('diverged');
});

test('of a folder for timm it says where timm would number its classes otherwise', () => {
  const classes = ['1', '10', '2'].map((name) => ({ name, train: 3, validation: 1 }));
  const card = (format: CardFacts['format'], library: CardFacts['library'], names = classes) =>
    modelCard({ ...facts, format, library, data: { ...facts.data, classes: names } });
  expect(card('timm', 'transformers')).toContain('--class-map');
  expect(card('source', 'timm')).toContain('--class-map');
  expect(card('timm', 'timm', classes.slice(0, 2))).not.toContain('--class-map');
  expect(card('hf', 'transformers')).not.toContain('--class-map');
});

test('pictures that were drawn together are said', () => {
  const together = { by: ['name', 'look'], origins: 31, images: 142 } as const;
  expect(modelCard({ ...facts, data: { ...facts.data, together } })).toContain(
    'Drawn together were pictures whose names begin alike, or that were found to look alike: 142 pictures in 31 groups.',
  );
  expect(modelCard(facts)).not.toContain('ogether were');
});

test('a fold says that it is one, and how many there are', () => {
  const fold = { at: 2, of: 5 };
  expect(modelCard({ ...facts, data: { ...facts.data, fold } })).toContain(
    'one of 5: it was validated on fold 2 and learned from the others.',
  );
  expect(modelCard(facts)).not.toContain('dealt into');
});

test('a model without a known origin has no base_model and no licence', () => {
  const card = modelCard({ ...facts, format: 'peft', baseModel: null, revision: null, licence: null });
  expect(card).not.toMatch(/^base_model|^license/m);
  expect(card).toContain('library_name: peft');
});

test('it says what a pixel is, and of these images what other tools see otherwise', () => {
  const plain = modelCard(facts);
  expect(plain).toContain('colour profiles and gamma are not applied');
  expect(plain).not.toContain('other tools see some otherwise');
  const odd = modelCard({ ...facts, data: { ...facts.data, pixels: ['3 images are grey <of> 16 bits.'] } });
  expect(odd).toContain('- 3 images are grey &lt;of&gt; 16 bits.');
  expect(odd).toContain('def read_picture(path):');
  expect(odd).toContain('(np.asarray(image) >> 8)');
  const seen = modelCard({ ...facts, grey16: { kind: 'image', percentiles: [1, 99] } });
  expect(seen).toContain('grey, which is spread over 8 bits from its 1st to its 99th percentile');
  expect(seen).toContain('low, high = np.percentile(grey, [1, 99])');
  expect(seen).not.toContain('>> 8');
  const all = { kind: 'set', percentiles: [1, 99], low: 12.5, high: 4000 } as const;
  expect(modelCard({ ...facts, grey16: all })).toContain('low, high = 12.5, 4000\n');
  const onnx = modelCard({ ...facts, format: 'onnx', onnxFile: 'onnx/model.onnx' });
  expect(onnx).toContain("from './THIS_FOLDER/pixels.mjs'");
  expect(onnx).toContain('taking single pixels');
});

test('an original is loaded in float32 under its adapter, whatever it is stored in', () => {
  const beside = modelCard({ ...facts, format: 'peft', tuned: 'all biases of the backbone (BitFit)' });
  expect(beside).toContain(
    'This folder is the branches, with all biases of the backbone (BitFit), as a stock LoRA adapter for PEFT',
  );
  const peft = modelCard({ ...facts, format: 'peft' });
  expect(peft).toContain('import torch\nfrom transformers import ViTForImageClassification\n');
  expect(peft).toContain('ignore_mismatched_sizes=True, dtype=torch.float32)');
  expect(modelCard({ ...facts, format: 'peft', modelType: 'clip_vision_model' })).toContain(
    'dtype=torch.float32)\nbase.',
  );
  const timm = modelCard({ ...facts, format: 'peft', library: 'timm', mean: { pooledNorm: false } });
  expect(timm).toContain(
    '"hf-hub:owner/name@abc", pretrained=True, num_classes=1, global_pool="avg", fc_norm=False)',
  );
});

describe('the proof in words', () => {
  const proof = { ...facts.proof, images: 64, of: 200, sameAnswers: 63 };
  const card = (changed: Partial<CardFacts['proof']>): string =>
    modelCard({ ...facts, proof: { ...proof, ...changed } });

  test('names a sample as one, with its count', () => {
    expect(card({})).toContain(
      'It was read back and run on a sample of 64 of the 200 validation images, spread evenly over the classes',
    );
    expect(card({})).toContain('63 of 64 images get the same first answer.');
  });

  test('says all where it was all', () => {
    expect(card({ of: 64 })).toContain('run on all 64 validation images before');
  });

  test('says which weights ran where these did not', () => {
    const text = card({ sameWeightsAs: 'timm' });
    expect(text).toContain(
      'its weights are the same, bit for bit, as those of the fine-tuned model with timm’s names, which ran on a sample of 64',
    );
    expect(text).not.toContain('read back and run on');
  });

  test('says on how many images the graph was computed', () => {
    expect(card({ graphImages: 4 })).toContain('computed operator by operator on 4 of them.');
    expect(card({})).not.toContain('operator by operator');
  });
});

test('only a run with branches is tagged as DMLoRA', () => {
  const tag = /^- dmlora$/m;
  expect(modelCard(facts)).toMatch(tag);
  const bare = modelCard({ ...facts, branches: { ...facts.branches, modules: 0, start: 0, scalars: [] } });
  expect(bare).toMatch(/^- graft$/m);
  expect(bare).not.toMatch(tag);
});
