// The recipe card: how long the run is, and the settings, which fold away while one is under way.
import { useState } from 'react';
import { useRun } from '../../state/run-store.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { useLength } from '../use-length.ts';
import styles from './RecipeCard.module.css';
import { RecipeForm } from './RecipeForm.tsx';

export function RecipeCard() {
  const length = useLength();
  const phase = useRun((state) => state.phase.kind);
  /** What the user chose in this phase; without a choice the settings fold away once a run begins. */
  const [choice, setChoice] = useState<{ readonly phase: string; readonly open: boolean } | null>(null);
  const open = choice?.phase === phase ? choice.open : phase === 'idle' || phase === 'failed';
  return (
    <Card
      title="Recipe"
      aside={
        <span className={styles.aside}>
          {length !== null && (
            <span data-testid="total-steps" data-steps={length.steps}>
              {countText(length.steps, 'step')}, {wholeText(Math.ceil(length.stepsPerEpoch))} an epoch
            </span>
          )}
          <Button
            variant="quiet"
            aria-expanded={open}
            aria-controls="recipe-settings"
            onClick={() => setChoice({ phase, open: !open })}
          >
            {open ? 'Hide settings' : 'Show settings'}
          </Button>
        </span>
      }
    >
      <RecipeForm open={open} />
    </Card>
  );
}
