// All families of plain ViTs that Graft opens, and which of them a file is.
import type { Family } from './family.ts';
import type { ModelConfigFile } from './model-config.ts';
import type { Dialect } from './naming.ts';
import { timmFamilies } from './timm/families.ts';
import { transformersFamilies } from './transformers/families.ts';

/** The first that claims a file has it. */
const families: readonly Family[] = [...timmFamilies, ...transformersFamilies];

/** Every dialect that Graft reads and writes. */
export const dialects: readonly Dialect[] = families.flatMap((family) => family.dialects);

/** The family of a file by its tensors, and by its config.json where they are the same; null for none. */
export function familyOf(names: ReadonlySet<string>, { architecture }: ModelConfigFile): Family | null {
  return families.find((family) => family.claims(names, architecture)) ?? null;
}
