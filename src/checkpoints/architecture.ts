// What tensors a classifier of transformers or timm has: every name and shape that its class registers for a
// config.json, and nothing else. Exports are filled from this, and what was written is compared with it as
// strictly as the library does.
import { sizeOf } from '../shared/array.ts';
import { present } from '../shared/assert.ts';
import type { Dialect } from './naming.ts';
import { backboneShapes, headShapes, linears, type ParamName } from '../vit/parameters.ts';
import { gridSize, type VitConfig } from '../vit/vit-config.ts';

/** What a token before the patches is, whatever a library calls it. */
export type TokenRole = 'class' | 'distillation' | 'register';

export function tokenRole(name: string): TokenRole {
  if (/(cls_token|class_embedding)$/.test(name)) return 'class';
  return /(dist_token|distillation_token)$/.test(name) ? 'distillation' : 'register';
}

/** A tensor that the class has and the classifier does not compute with. */
export interface Spare {
  /** Without the prefix. */
  readonly name: string;
  readonly shape: readonly number[];
  /** What the library sets it to where a file lacks it; null when that is drawn at random. */
  readonly fill: 0 | 1 | null;
}

export interface Architecture {
  /** Whose class it is: "timm’s". */
  readonly owner: string;
  /** Its class: `ViTForImageClassification`. */
  readonly name: string;
  /** The names that its library takes, the first is the one to write. */
  readonly dialects: readonly Dialect[];
  readonly config: VitConfig;
  /** The tokens before the patches: how many of each. */
  readonly tokens: ReadonlyMap<TokenRole, number>;
  /** How many of them have a position. */
  readonly placedTokens: number;
  readonly heads: readonly string[];
  readonly classes: number;
  readonly qkvBias: boolean;
  readonly patchBias: boolean;
  readonly spares: readonly Spare[];
}

/** What belongs into a tensor. */
type Content =
  /** One parameter, or q, k and v in this order. */
  | { readonly kind: 'parameters'; readonly names: readonly ParamName[] }
  | { readonly kind: 'token'; readonly role: TokenRole }
  | { readonly kind: 'head'; readonly part: number; readonly leaf: 'weight' | 'bias' }
  | { readonly kind: 'spare'; readonly fill: Spare['fill'] };

/** One tensor of the class: what it may be called, its shape, and what it holds. */
export interface Slot {
  readonly names: readonly string[];
  readonly shape: readonly number[];
  readonly content: Content;
}

const isBias = (name: ParamName, parts: string): boolean =>
  new RegExp(`^(blocks\\.\\d+\\.)?(${parts})\\.bias$`).test(name);

/** Every tensor of the class. */
export function slotsOf(architecture: Architecture): Slot[] {
  const { dialects, config, tokens, placedTokens, heads, classes, spares } = architecture;
  const first = present(dialects[0], 'names of the class');
  // CLIP and SigLIP keep class token and positions without a batch dimension.
  const isFlat = first.naming.positions.endsWith('.weight');
  const everywhere = (nameIn: (dialect: Dialect) => string | undefined): string[] => [
    ...new Set(dialects.flatMap((dialect) => nameIn(dialect) ?? [])),
  ];
  const slots: Slot[] = [];
  for (const [role, count] of tokens) {
    const names = everywhere((dialect) => dialect.tokens.find((name) => tokenRole(name) === role));
    const shape = isFlat ? [config.dim] : [1, count, config.dim];
    slots.push({ names, shape, content: { kind: 'token', role } });
  }
  const fused = first.naming.linears.q === first.naming.linears.k;
  for (const [name, shape] of backboneShapes(config)) {
    if (name === 'prefix_tokens') continue;
    if (!architecture.qkvBias && isBias(name, 'q|k|v')) continue;
    if (!architecture.patchBias && isBias(name, 'patch_embed')) continue;
    const names = everywhere((dialect) => dialect.locate(name)?.tensor);
    if (name === 'pos_embed') {
      const rows = placedTokens + gridSize(config) ** 2;
      const stored = isFlat ? [rows, config.dim] : [1, rows, config.dim];
      slots.push({ names, shape: stored, content: { kind: 'parameters', names: [name] } });
      continue;
    }
    const part = linears.find((linear) => name.split('.')[2] === linear);
    if (fused && (part === 'k' || part === 'v')) continue;
    const isQkv = fused && part === 'q';
    slots.push({
      names,
      shape: isQkv ? [3 * (shape[0] ?? 0), ...shape.slice(1)] : shape,
      content: {
        kind: 'parameters',
        names: isQkv ? ['q', 'k', 'v'].map((letter) => name.replace('.q.', `.${letter}.`)) : [name],
      },
    });
  }
  const { weight, bias } = headShapes(config, classes);
  heads.forEach((head, part) => {
    const width = (weight[1] ?? 0) / heads.length;
    for (const [leaf, shape] of [
      ['weight', [classes, width]],
      ['bias', bias],
    ] as const)
      slots.push({ names: [`${head}.${leaf}`], shape, content: { kind: 'head', part, leaf } });
  });
  for (const { name, shape, fill } of spares)
    slots.push({
      names: everywhere(({ prefix }) => prefix + name),
      shape,
      content: { kind: 'spare', fill },
    });
  return slots;
}

/** The slot of each name that the class takes. */
function slotsByName(slots: readonly Slot[]): Map<string, Slot> {
  return new Map(slots.flatMap((slot) => slot.names.map((name) => [name, slot] as const)));
}

/**
 * What the library would refuse, or replace by random numbers, in a file for this class: a sentence without
 * an end, null when every tensor is there once, in its shape, and nothing else is.
 */
export function misfit(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  architecture: Architecture,
): string | null {
  const slots = slotsOf(architecture);
  const byName = slotsByName(slots);
  const found = new Set<Slot>();
  const [unexpected, mismatched]: [string[], string[]] = [[], []];
  for (const [name, { shape }] of tensors) {
    const slot = byName.get(name);
    if (slot === undefined || found.has(slot)) {
      unexpected.push(name);
      continue;
    }
    found.add(slot);
    if (shape.join() !== slot.shape.join())
      mismatched.push(`${name} [${shape.join(', ')}] for [${slot.shape.join(', ')}]`);
  }
  const missing = slots.filter((slot) => !found.has(slot)).map(({ names }) => names[0] ?? '');
  const some = (names: readonly string[]): string =>
    names.slice(0, 3).join(', ') + (names.length > 3 ? ` and ${names.length - 3} more` : '');
  const parts = [
    missing.length > 0 ? `misses ${some(missing)}` : null,
    unexpected.length > 0 ? `has no place for ${some(unexpected)}` : null,
    mismatched.length > 0 ? `finds other shapes: ${some(mismatched)}` : null,
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : `${architecture.owner} ${architecture.name} ${parts.join('; it ')}`;
}

/** Whether values of one shape can be written in another: as many, whatever the rank. */
export function sameSize(a: readonly number[], b: readonly number[]): boolean {
  return sizeOf(a) === sizeOf(b);
}
