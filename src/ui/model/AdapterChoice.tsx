// What can become of a PEFT adapter while its base is open: merged into it; or, where it is nothing but LoRAs
// that branches can hold and the recipe has room for them, the start of a run's branches. What is not
// possible is not offered, and why.
import { loraProblem } from '../../dmlora/lora-start.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import type { AdapterOffer } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { countText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './ModelCard.module.css';

interface AdapterChoiceProps {
  /** Title of its base. */
  readonly base: string;
  readonly offer: AdapterOffer | null;
  readonly disabled: boolean;
}

export function AdapterChoice({ base, offer, disabled }: AdapterChoiceProps) {
  const trainer = useTrainer();
  const recipe = useRecipe((state) => state.recipe);
  const problem =
    offer?.kind === 'branches' && recipe !== null ? loraProblem(offer.needs, recipe.dmlora) : null;
  return (
    <>
      <Button
        disabled={disabled}
        data-testid="merge-adapter"
        onClick={() => void trainer.takeAdapter('merged')}
      >
        Merge it into <bdi>{base}</bdi>
      </Button>
      {offer?.kind === 'branches' && problem === null && (
        <Button
          disabled={disabled}
          data-testid="start-from-adapter"
          onClick={() => void trainer.takeAdapter('branches')}
        >
          Start from it
        </Button>
      )}
      <p className={styles.consequence} data-testid="adapter-consequence">
        <bdi>{consequence(offer, problem?.detail ?? null)}</bdi>
      </p>
    </>
  );
}

function consequence(offer: AdapterOffer | null, problem: string | null): string {
  const merged = 'Merged, it becomes part of the weights, and new branches grow beside them.';
  if (offer === null) return merged;
  if (offer.kind === 'not-branches') return `${merged} Branches cannot start from it. ${offer.why}`;
  if (problem !== null) return `${merged} To start branches from it, change the recipe first. ${problem}`;
  const layers = countText(offer.needs.length, 'layer');
  return `${merged} Started from, it is what the branches of ${layers} hold at the first step: the weights stay as they are, training goes on from what it learned, and a branch that is dropped takes its share along.`;
}
