// adapter_config.json: what PEFT itself wrote for the reference adapter is read as PEFT reads it; modules of
// different ranks have both patterns; target names find what is adapted and nothing else.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readPeftConfig, targetNames, writePeftConfig } from './config.ts';

const reference = (folder: string): Promise<string> =>
  readFile(
    fileURLToPath(new URL(`../../../testdata/reference/${folder}/adapter_config.json`, import.meta.url)),
    'utf8',
  );
const read = (text: string) => {
  const result = readPeftConfig(text);
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value;
};
const base = {
  baseClass: { name: 'ViTForImageClassification', module: 'transformers.models.vit.modeling_vit' },
  baseModel: null,
  revision: null,
  biases: false,
  modulesToSave: ['classifier'],
};

test('a file of PEFT is read as PEFT reads it', async () => {
  const config = read(await reference('peft_adapter'));
  expect(config.adapts('vit.layers.1.attention.q_proj')).toBe(true);
  expect(config.adapts('vit.embeddings.patch_embeddings.projection')).toBe(false);
  expect(config.rankOf('vit.layers.0.mlp.fc1')).toBe(4);
  expect(config.scaleOf('vit.layers.0.mlp.fc1')).toBe(1);
});

test('what is written has every field that PEFT needs, with the values it wrote itself', async () => {
  const ranks = new Map(['q_proj', 'fc1'].map((name) => [`vit.layers.0.${name}`, 4]));
  const ours = JSON.parse(writePeftConfig({ ...base, targetModules: ['fc1', 'q_proj'], ranks })) as object;
  const theirs = JSON.parse(await reference('peft_adapter')) as Record<string, unknown>;
  for (const [key, value] of Object.entries(ours))
    if (!['target_modules', 'base_model_name_or_path'].includes(key))
      expect([key, value]).toEqual([key, theirs[key]]);
});

test('modules of another rank stand in both patterns, so that every scale is 1', () => {
  const ranks = new Map([
    ['vit.layers.0.mlp.fc1', 8],
    ['vit.layers.1.mlp.fc1', 8],
    ['vit.layers.11.mlp.fc1', 2],
    ['vit.layers.1.mlp.fc2', 12],
  ]);
  const text = writePeftConfig({ ...base, targetModules: ['fc1', 'fc2'], ranks });
  const json = JSON.parse(text) as Record<string, unknown>;
  expect([json['r'], json['lora_alpha']]).toEqual([8, 8]);
  expect(json['alpha_pattern']).toEqual({ 'vit.layers.11.mlp.fc1': 2, 'vit.layers.1.mlp.fc2': 12 });
  expect(json['rank_pattern']).toEqual(json['alpha_pattern']);
  const config = read(text);
  for (const [name, rank] of ranks) expect([config.rankOf(name), config.scaleOf(name)]).toEqual([rank, 1]);
});

test.each([
  ['lora', { lora_alpha: 32, alpha_pattern: { fc2: 48 }, use_rslora: false }],
  ['rslora', { lora_alpha: 11.313708499, alpha_pattern: { fc2: 13.8564064606 }, use_rslora: true }],
] as const)('a factor of 4 by %s is said by alpha, for modules of other ranks too', (by, said) => {
  const ranks = new Map([
    ['fc1', 8],
    ['q', 8],
    ['fc2', 12],
  ]);
  const scale = { factor: 4, by };
  const text = writePeftConfig({ ...base, targetModules: ['fc1', 'fc2', 'q'], ranks, scale });
  expect(JSON.parse(text)).toMatchObject({ r: 8, rank_pattern: { fc2: 12 }, ...said });
  const config = read(text);
  for (const name of ranks.keys()) expect(config.scaleOf(name)).toBeCloseTo(4, 9);
});

test('a rank pattern alone scales as PEFT does: alpha by the module’s own rank', () => {
  const config = read(
    '{"peft_type":"LORA","r":8,"lora_alpha":8,"rank_pattern":{"fc1":2},"target_modules":["fc1"]}',
  );
  expect(config.scaleOf('vit.layers.0.mlp.fc1')).toBe(4);
});

describe('target names', () => {
  const layers = [0, 1].flatMap((n) =>
    ['attention.q_proj', 'attention.v_proj', 'mlp.fc1'].map((name) => `vit.layers.${n}.${name}`),
  );
  test('are endings where every module of that name is meant', () => {
    const wanted = layers.filter((name) => !name.endsWith('fc1'));
    expect(targetNames(wanted, [...layers, 'classifier'])).toEqual(['q_proj', 'v_proj']);
  });

  test('grow where an ending is another module’s too', () => {
    const wanted = ['blocks.0.attn.proj', 'blocks.1.attn.proj'];
    expect(targetNames(wanted, [...wanted, 'patch_embed.proj'])).toEqual(['attn.proj']);
  });

  test('are full names where only some layers are adapted', () => {
    const wanted = ['vit.layers.1.mlp.fc1'];
    expect(targetNames(wanted, layers)).toEqual(wanted);
  });
});

test('what is no LoRA is refused', () => {
  for (const text of ['{}', '{"peft_type":"IA3","r":1,"lora_alpha":1,"target_modules":["x"]}', 'x'])
    expect(readPeftConfig(text).ok).toBe(false);
});

describe('patterns of names in a stranger’s file', () => {
  const file = (rest: object): string =>
    JSON.stringify({ peft_type: 'LORA', r: 8, lora_alpha: 8, target_modules: ['fc1'], ...rest });

  test('are followed as PEFT follows them', () => {
    const pattern = { '^vit.layers.0.mlp.fc1': 2, 'layers\\.[1-3]\\.mlp\\.fc1': 4, 'layers.4.mlp.fc1': 16 };
    const config = read(file({ rank_pattern: pattern }));
    const ranks = [0, 1, 3, 4, 5].map((n) => config.rankOf(`vit.layers.${n}.mlp.fc1`));
    expect(ranks).toEqual([2, 4, 4, 16, 8]);
    expect(config.rankOf('other.vit.layers.0.mlp.fc1')).toBe(8);
    expect(read(file({ target_modules: '.*\\.(q|v)_proj' })).adapts('layers.0.q_proj')).toBe(true);
  });

  test('that cannot be followed are a fault that names them', () => {
    const result = readPeftConfig(file({ alpha_pattern: { '(?!x).*fc1': 4 } }));
    expect(result).toMatchObject({
      fault: { why: 'adapter', detail: 'It has a pattern of names that is not followed here: (?!x).*fc1.' },
    });
    const many = Object.fromEntries(Array.from({ length: 2001 }, (_, i) => [`x${i}`, 1]));
    expect(readPeftConfig(file({ rank_pattern: many })).ok).toBe(false);
    // What a file targets says nothing that its tensors do not say.
    expect(readPeftConfig(file({ target_modules: '(?!x).*fc1' })).ok).toBe(true);
  });
});
