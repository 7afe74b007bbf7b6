// adapter_config.json of a stock LoRA as PEFT writes it: ranks and scales of every module, the modules to save whole, and
// the scale that PEFT takes from the file when it reads it back.
import { fail, ok, type Result } from '../shared/result.ts';
import {
  jsonText,
  numberOf,
  objectOf,
  parseJsonObject,
  stringOf,
  type Json,
  type JsonObject,
} from './json.ts';

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
  /** Saved whole beside the adapter: the head. */
  readonly modulesToSave: readonly string[];
}

/**
 * The file's text. The commonest rank is `r`; every other module has its own in rank_pattern and, since PEFT scales by
 * alpha / r, the same number in alpha_pattern: every scale is 1.
 */
export function writePeftConfig(config: PeftConfig): string {
  const counts = new Map<number, number>();
  for (const rank of config.ranks.values()) counts.set(rank, (counts.get(rank) ?? 0) + 1);
  const [common = 1] = [...counts].sort(([a, n], [b, m]) => m - n || a - b)[0] ?? [];
  const pattern = new Map<string, Json>([...config.ranks].filter(([, rank]) => rank !== common));
  const json = new Map<string, Json>([
    ['alpha_pattern', pattern],
    [
      'auto_mapping',
      new Map([
        ['base_model_class', config.baseClass.name],
        ['parent_library', config.baseClass.module],
      ]),
    ],
    ['base_model_name_or_path', config.baseModel],
    ['bias', 'none'],
    ['fan_in_fan_out', false],
    ['inference_mode', true],
    ['init_lora_weights', true],
    ['lora_alpha', common],
    ['lora_dropout', 0],
    ['modules_to_save', config.modulesToSave],
    ['peft_type', 'LORA'],
    ['r', common],
    ['rank_pattern', pattern],
    ['revision', config.revision],
    ['target_modules', config.targetModules],
    ['task_type', null],
    ['use_dora', false],
    ['use_rslora', false],
  ]);
  return `${jsonText(json, new Set(['lora_dropout']))}\n`;
}

/** What PEFT does with the file: which modules it adapts, and by which rank and scale. */
export interface PeftReading {
  adapts(module: string): boolean;
  rankOf(module: string): number;
  scaleOf(module: string): number;
}

/** Reads the text as PEFT does: endings of names, patterns as ends of names, scale alpha / r. */
export function readPeftConfig(text: string): Result<PeftReading> {
  const parsed = parseJsonObject(text, 'adapter_config.json');
  if (!parsed.ok) return parsed;
  const json = parsed.value;
  const [rank, alpha, targets] = [
    numberOf(json, 'r'),
    numberOf(json, 'lora_alpha'),
    json.get('target_modules'),
  ];
  if (stringOf(json, 'peft_type') !== 'LORA' || rank === null || alpha === null || !Array.isArray(targets))
    return fail({
      kind: 'bad-file',
      name: 'adapter_config.json',
      why: 'config-invalid',
      detail: 'It describes no LoRA with a rank, an alpha and target modules.',
    });
  const endings = targets.filter((target): target is string => typeof target === 'string');
  const endsWith = (module: string, ending: string): boolean =>
    module === ending || module.endsWith(`.${ending}`);
  const none: JsonObject = new Map();
  const patterned = (key: string, module: string, otherwise: number): number => {
    for (const [ending, value] of objectOf(json, key) ?? none)
      if (typeof value === 'number' && endsWith(module, ending)) return value;
    return otherwise;
  };
  const rankOf = (module: string): number => patterned('rank_pattern', module, rank);
  return ok({
    adapts: (module) => endings.some((ending) => endsWith(module, ending)),
    rankOf,
    scaleOf: (module) => patterned('alpha_pattern', module, alpha) / rankOf(module),
  });
}

/**
 * The shortest names by which exactly `wanted` of all modules are found: endings where they fit, else the full names.
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
