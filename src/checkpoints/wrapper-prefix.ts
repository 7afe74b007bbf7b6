// What wrappers put before every tensor of a model (torch.compile's `_orig_mod.`, DataParallel's `module.`,
// Lightning's `model.`, any other, one in another): found by where a first block lies, whatever the prefix is
// called, and taken off. Several models, side by side or one inside another's prefix, are refused by their
// prefixes, since only the user knows which one is meant; a model without any prefix is the one that
// libraries load, whatever copies lie beside it.
import type { ModelConfigFile } from './model-config.ts';
import type { SafetensorsHeader } from '../formats/safetensors.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { dialects, familyOf } from './families.ts';
import { neighbourOf } from './neighbours.ts';

/** Names of the first block's query weight, in every dialect. */
const firstBlocks: readonly string[] = [
  ...new Set(dialects.flatMap((dialect) => dialect.locate('blocks.0.q.weight')?.tensor ?? [])),
];

const endsWithFirstBlock = (name: string): string | null => {
  // The longest name leaves the shortest prefix: `model.` and not `model.vit.`.
  let found: string | null = null;
  for (const block of firstBlocks)
    if ((name === block || name.endsWith(`.${block}`)) && block.length > (found?.length ?? 0)) found = block;
  return found;
};

/**
 * Whether these tensors are the weights of a ViT, under whatever prefix, and not, say, an optimiser's
 * moments.
 */
export function holdsVit(names: Iterable<string>): boolean {
  return [...names].some((name) => endsWithFirstBlock(name) !== null);
}

/** A model whose names are those of its library, and what was done to its names, a sentence each. */
export interface Unwrapped {
  readonly header: SafetensorsHeader;
  readonly notes: readonly string[];
}

const makers: readonly (readonly [RegExp, string])[] = [
  [/^_orig_mod\.$/, 'torch.compile'],
  [/^module\.$/, 'DataParallel'],
  [/^(model|net|network)\.$/, 'a Lightning module, for instance'],
];

/**
 * The same tensors without the prefix of a wrapper; a fault names the prefixes where there are several
 * models.
 */
export function unwrapped(header: SafetensorsHeader, file: ModelConfigFile): Result<Unwrapped> {
  const names = [...header.tensors.keys()];
  const asTheyAre = ok<Unwrapped>({ header, notes: [] });
  if (isComplete(new Set(names), file) || neighbourOf(names, file.architecture) !== null) return asTheyAre;
  const prefixes = prefixesOf(names, file);
  const [prefix, second] = prefixes;
  if (prefix === undefined) return asTheyAre;
  if (second !== undefined) {
    const listed = prefixes.map((each) => `"${each}" (${ownNames(names, each, prefixes).length} tensors)`);
    const inner = prefixes.filter((other) => other !== prefix && other.startsWith(prefix));
    const apart = inner.map((other) => ` and not k.startswith("${other}")`).join('');
    return fail({
      kind: 'wrong-model',
      expected: 'the tensors of one model',
      found: `${prefixes.length} models side by side, under the prefixes ${listed.join(' and ')}`,
      missing: [],
      unexpected: [],
      advice: `Save one of them by itself, without its prefix, and open that: {k.removeprefix("${prefix}"): v for k, v in tensors.items() if k.startswith("${prefix}")${apart}} in Python.`,
    });
  }
  const tensors = new Map(
    [...header.tensors].flatMap(([name, entry]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), entry] as const] : [],
    ),
  );
  const outside = names.filter((name) => !name.startsWith(prefix));
  const maker = makers.find(([pattern]) => pattern.test(prefix))?.[1];
  const notes = [
    `Its tensors are named with a wrapper's prefix, "${prefix}"${maker === undefined ? '' : ` (${maker})`}: it is taken off, and what is exported is named without it.`,
  ];
  if (outside.length > 0)
    notes.push(
      `${outside.length} ${outside.length === 1 ? 'tensor lies' : 'tensors lie'} outside of "${prefix}" and ${outside.length === 1 ? 'is' : 'are'} left out, since nothing says what ${outside.length === 1 ? 'it reads' : 'they read'}: ${outside.slice(0, 3).join(', ')}${outside.length > 3 ? ' …' : ''}.`,
    );
  return ok({ header: { ...header, tensors }, notes });
}

/** Names under a prefix, those under a longer one of the others left out. */
function ownNames(names: readonly string[], prefix: string, prefixes: Iterable<string>): string[] {
  const inner = [...prefixes].filter((other) => other !== prefix && other.startsWith(prefix));
  return names.filter((name) => name.startsWith(prefix) && !inner.some((other) => name.startsWith(other)));
}

/** The prefixes under which whole models lie, shortest first. */
function prefixesOf(names: readonly string[], file: ModelConfigFile): string[] {
  const candidates = new Set<string>();
  for (const name of names) {
    const block = endsWithFirstBlock(name);
    if (block !== null) candidates.add(name.slice(0, name.length - block.length));
  }
  const found: string[] = [];
  for (const prefix of [...candidates].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))) {
    if (prefix === '') continue;
    const inside = ownNames(names, prefix, candidates).map((name) => name.slice(prefix.length));
    if (isComplete(new Set(inside), file)) found.push(prefix);
  }
  return found;
}

/**
 * A first block and a patch embedding in one dialect of the family: what a text tower or an optimiser lacks.
 */
function isComplete(names: ReadonlySet<string>, file: ModelConfigFile): boolean {
  const family = familyOf(names, file);
  const has = (tensor: string | undefined): boolean => tensor !== undefined && names.has(tensor);
  return (
    family?.dialects.some(
      (dialect) =>
        has(dialect.locate('blocks.0.q.weight')?.tensor) && has(dialect.locate('patch_embed.weight')?.tensor),
    ) ?? false
  );
}
