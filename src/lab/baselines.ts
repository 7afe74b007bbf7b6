// Arms that a recipe of branches is usually compared with, made from it: method.md's grid.
import { optionOf, type Recipe } from '../recipe/options.ts';
import type { Arm } from './arms.ts';

/** A choice of the table of options. */
function rankOf(rank: number): Recipe['dmlora']['rank'] | null {
  const option = optionOf('dmlora.rank');
  const isOne = (value: number): value is Recipe['dmlora']['rank'] =>
    option.kind === 'choice' && option.choices.some(([choice]) => choice === value);
  return isOne(rank) ? rank : null;
}

/**
 * LoRA at the rank of one branch, of those that are left and of all, and the recipe without each of its
 * parts, as far as it has them. Everything else is the recipe's. What differs from the recipe in nothing is
 * left out.
 */
export function baselinesOf(recipe: Recipe): Arm[] {
  const { dmlora } = recipe;
  const { rank, branches, branchesEnd, dropMode, scalars } = dmlora;
  if (branches === 0) return [];
  const left = dropMode === 'permanent' ? branchesEnd : branches;
  // Without drops crossed branches would stay the same as each other.
  const none = { dropMode: 'none', pairing: 'paired' } as const;
  const ranks = [...new Set([rank, left * rank, branches * rank])].sort((a, b) => a - b);
  const loras = ranks.flatMap((wanted): Arm[] => {
    const found = rankOf(wanted);
    if (found === null) return [];
    const lora = { ...dmlora, branches: 1, rank: found, ...none, scalars: 'off' } as const;
    return [{ name: `LoRA, rank ${found}`, recipe: { ...recipe, dmlora: lora } }];
  });
  const [drops, scales] = [dropMode !== 'none', scalars !== 'off'];
  const without = (name: string, parts: Partial<Recipe['dmlora']>): Arm => ({
    name,
    recipe: { ...recipe, dmlora: { ...dmlora, ...parts } },
  });
  return [
    ...loras,
    ...(branches > 1 && (drops || scales) ? [without('branches alone', { ...none, scalars: 'off' })] : []),
    ...(drops && scales
      ? [without('dropping alone', { scalars: 'off' }), without('scalars alone', none)]
      : []),
  ];
}
