// adapter_config.json of a stock LoRA as PEFT writes it: ranks and scales of every module, the modules to
// save whole, and the scale that PEFT takes from the file when it reads it back.
import { fail, ok, type Result } from '../../shared/result.ts';
import {
  jsonText,
  numberOf,
  objectOf,
  parseJsonObject,
  stringOf,
  type Json,
  type JsonObject,
} from '../../formats/json.ts';
import { namePattern } from './name-pattern.ts';

export interface PeftConfig {
  /** Class of the base model and the Python module that defines it. */
  readonly baseClass: { readonly name: string; readonly module: string };
  /** Id on the Hub; null for a base model from a local file. */
  readonly baseModel: string | null;
  readonly revision: string | null;
  /** Names or name endings of the adapted modules. */
  readonly targetModules: readonly string[];
  /** Rank of every adapted module, by full name. */
  readonly ranks: ReadonlyMap<string, number>;
  /** The scale of every module, 1 where absent: alpha over its rank, or over the rank's root (rsLoRA). */
  readonly scale?: { readonly factor: number; readonly by: 'lora' | 'rslora' };
  /** Saved whole beside the adapter: the head, and LayerNorms that were tuned. */
  readonly modulesToSave: readonly string[];
  /** Whether all biases of the base were tuned, and are saved too. */
  readonly biases: boolean;
}

/**
 * The file's text. The commonest rank is `r`; every other module has its own in rank_pattern and, since PEFT
 * scales by alpha / r or alpha / sqrt(r), the alpha that gives the scale in alpha_pattern: with a scale of 1 by
 * alpha / r that is the rank again.
 */
export function writePeftConfig(config: PeftConfig): string {
  const counts = new Map<number, number>();
  for (const rank of config.ranks.values()) counts.set(rank, (counts.get(rank) ?? 0) + 1);
  const [common = 1] = [...counts].sort(([a, n], [b, m]) => m - n || a - b)[0] ?? [];
  const { factor, by } = config.scale ?? { factor: 1, by: 'lora' };
  // Twelve digits: none of the noise that a root and a division leave.
  const alphaOf = (rank: number): number =>
    Number((factor * (by === 'lora' ? rank : Math.sqrt(rank))).toPrecision(12));
  const own = [...config.ranks].filter(([, rank]) => rank !== common);
  const json = new Map<string, Json>([
    ['alpha_pattern', new Map<string, Json>(own.map(([name, rank]) => [name, alphaOf(rank)]))],
    [
      'auto_mapping',
      new Map([
        ['base_model_class', config.baseClass.name],
        ['parent_library', config.baseClass.module],
      ]),
    ],
    ['base_model_name_or_path', config.baseModel],
    ['bias', config.biases ? 'all' : 'none'],
    ['fan_in_fan_out', false],
    ['inference_mode', true],
    ['init_lora_weights', true],
    ['lora_alpha', alphaOf(common)],
    ['lora_dropout', 0],
    ['modules_to_save', config.modulesToSave],
    ['peft_type', 'LORA'],
    ['r', common],
    ['rank_pattern', new Map<string, Json>(own)],
    ['revision', config.revision],
    ['target_modules', config.targetModules],
    ['task_type', null],
    ['use_dora', false],
    ['use_rslora', by === 'rslora'],
  ]);
  return `${jsonText(json, new Set(['lora_dropout']))}\n`;
}

/** What PEFT does with the file: which modules it adapts, and by which rank and scale. */
export interface PeftReading {
  adapts(module: string): boolean;
  rankOf(module: string): number;
  scaleOf(module: string): number;
}

/** What an adapter is, and why it is none that can be merged into a ViT; null where it can. */
export interface AdapterKind {
  /** The model that it was made for, by id or path. */
  readonly base: string | null;
  readonly refused: string | null;
}

/** Kinds of LoRA that are more than W + scale B A, by the field that turns them on. */
const extraFields: readonly (readonly [string, string])[] = [
  ['use_dora', 'It is a DoRA, which also scales whole weights'],
  ['use_qalora', 'It is a QA-LoRA, which pools its inputs'],
  ['use_bdlora', 'It is a block-diagonal LoRA'],
  ['layer_replication', 'It repeats layers of its base'],
  ['target_parameters', 'It adapts parameters outside of linear layers'],
  ['trainable_token_indices', 'It adapts single rows of an embedding'],
  ['alora_invocation_tokens', 'It is an aLoRA, which waits for words'],
];

/** Initialisations that also change the base's weights: B A alone says not what was learned. */
const changesBase = /^(pissa|olora|corda|loftq|lora_ga|mica)/i;

/** Reads what an adapter_config.json describes, whatever the method. */
export function adapterKind(text: string): Result<AdapterKind> {
  const parsed = parseJsonObject(text, 'adapter_config.json');
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const base = stringOf(json, 'base_model_name_or_path');
  const type = stringOf(json, 'peft_type') ?? 'no kind that it names';
  const init = stringOf(json, 'init_lora_weights');
  const isOn = ([key]: readonly [string, string]): boolean => {
    const value = json.get(key);
    return (
      value !== undefined &&
      value !== null &&
      value !== false &&
      !(Array.isArray(value) && value.length === 0)
    );
  };
  const extra = extraFields.find(isOn)?.[1];
  const refused =
    type !== 'LORA'
      ? `It is an adapter of another kind than LoRA: ${type}`
      : (extra ??
        (init !== null && changesBase.test(init)
          ? `It began as ${init}, which changes its base's weights too`
          : null));
  return ok({ base, refused });
}

/**
 * Reads the text as PEFT does: patterns as ends of names, what is not said by PEFT's defaults, scale alpha /
 * r.
 */
export function readPeftConfig(text: string): Result<PeftReading> {
  const parsed = parseJsonObject(text, 'adapter_config.json');
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const [rank, alpha] = [numberOf(json, 'r') ?? 8, numberOf(json, 'lora_alpha') ?? 8];
  const targets = json.get('target_modules');
  const isListed = Array.isArray(targets);
  if (stringOf(json, 'peft_type') !== 'LORA' || !(isListed || typeof targets === 'string'))
    return fail({
      kind: 'bad-file',
      name: 'adapter_config.json',
      why: 'config-invalid',
      detail: 'It describes no LoRA with target modules.',
    });
  const endings = isListed ? targets.filter((target): target is string => typeof target === 'string') : [];
  const endsWith = (module: string, ending: string): boolean =>
    module === ending || module.endsWith(`.${ending}`);
  const tests = new Map<string, (module: string) => boolean>();
  let followed = 0;
  for (const pattern of [...patternsOf(json, 'rank_pattern'), ...patternsOf(json, 'alpha_pattern')].map(
    ([name]) => name,
  )) {
    if (tests.has(pattern)) continue;
    const test = isPlain(pattern) ? plainTest(pattern) : namePattern(`(.*\\.)?(${pattern})`);
    followed += isPlain(pattern) ? 0 : 1;
    const tooMany = tests.size >= maxNames || followed > maxPatterns;
    if (test === null || tooMany)
      return fail({
        kind: 'bad-file',
        name: 'adapter_config.json',
        why: 'adapter',
        detail: tooMany
          ? `It has more than ${maxNames} names of modules, or ${maxPatterns} patterns of names.`
          : `It has a pattern of names that is not followed here: ${pattern.slice(0, 80)}.`,
      });
    tests.set(pattern, test);
  }
  const patterned = (key: string, module: string, otherwise: number): number =>
    patternsOf(json, key).find(
      ([pattern]) => endsWith(module, pattern) || tests.get(pattern)?.(module) === true,
    )?.[1] ?? otherwise;
  const targeted = typeof targets === 'string' ? namePattern(targets) : null;
  const rankOf = (module: string): number => patterned('rank_pattern', module, rank);
  const divisor = (module: string): number =>
    json.get('use_rslora') === true ? Math.sqrt(rankOf(module)) : rankOf(module);
  return ok({
    adapts: (module) =>
      targeted === null ? endings.some((ending) => endsWith(module, ending)) : targeted(module),
    rankOf,
    scaleOf: (module) => patterned('alpha_pattern', module, alpha) / divisor(module),
  });
}

/** Every module of a large ViT may have a pattern of its own; a stranger's file may not have any number. */
const maxNames = 2000;
const maxPatterns = 20;

const patternsOf = (json: JsonObject, key: string): (readonly [string, number])[] =>
  [...(objectOf(json, key) ?? [])].flatMap(([pattern, value]) =>
    typeof value === 'number' ? [[pattern, value] as const] : [],
  );

/** Whether a pattern is a name whose points stand for any character. */
const isPlain = (pattern: string): boolean => /^[\w.-]+$/.test(pattern);

const plainTest =
  (pattern: string) =>
  (module: string): boolean => {
    const begin = module.length - pattern.length;
    if (begin < 0 || (begin > 0 && module[begin - 1] !== '.')) return false;
    for (let i = 0; i < pattern.length; i++)
      if (pattern[i] !== '.' && pattern[i] !== module[begin + i]) return false;
    return true;
  };

/**
 * The shortest names by which exactly `wanted` of all modules are found: endings where they fit, else the
 * full names.
 */
export function targetNames(wanted: readonly string[], all: readonly string[]): string[] {
  const chosen = new Set(wanted);
  for (const parts of [1, 2]) {
    const endings = [...new Set(wanted.map((name) => name.split('.').slice(-parts).join('.')))].sort();
    const found = all.filter((name) => endings.some((end) => name === end || name.endsWith(`.${end}`)));
    if (found.length === chosen.size && found.every((name) => chosen.has(name))) return endings;
  }
  return [...wanted];
}
