// What the run will take here, before Start; where that is long, a shorter recipe by one click, and the way
// back from it.
import { useEffect } from 'react';
import { changesOf } from '../../state/forecast-actions.ts';
import { useForecast, type RecipeChange } from '../../state/forecast-store.ts';
import { learnedSize, useData } from '../../state/data-store.ts';
import { useModel } from '../../state/model-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useRun } from '../../state/run-store.ts';
import type { RunForecast } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { aboutText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './RunCard.module.css';

const quietMs = 300;

/** Asks again a moment after the model, the images or the recipe have changed. */
export function useForecastQuestion(): void {
  const trainer = useTrainer();
  const recipe = useRecipe((state) => state.recipe);
  const backend = useRecipe((state) => state.backend);
  const model = useModel((state) => state.model);
  const data = useData((state) => state.data);
  /** Images that are prepared need not be decoded. */
  const arePrepared = useData(
    ({ pixels }) => pixels !== null && pixels.ready + pixels.failed === pixels.total,
  );
  useEffect(() => {
    const timer = setTimeout(() => void trainer.foretell(), quietMs);
    return () => clearTimeout(timer);
  }, [trainer, recipe, backend, model, data, arePrepared]);
}

function Changes({ changes }: { readonly changes: readonly RecipeChange[] }) {
  return (
    <ul className={styles.changes}>
      {changes.map(({ label, from, to }) => (
        <li key={label}>
          {label}: <strong>{to}</strong> instead of {from}
        </li>
      ))}
    </ul>
  );
}

function Shorter() {
  const forecast = useForecast((state) => state.forecast);
  const recipe = useRecipe((state) => state.recipe);
  const imageSize = useModel((state) => state.model?.config.imageSize);
  const trainer = useTrainer();
  const shorter = forecast?.kind === 'known' ? forecast.shorter : null;
  const data = useData((state) => state.data);
  if (shorter === null || recipe === null || imageSize === undefined || data === null) return null;
  return (
    <div className={styles.offer} data-testid="shorter">
      <p>A shorter run takes about {aboutText(shorter.seconds)}:</p>
      <Changes changes={changesOf(recipe, imageSize, learnedSize(data, recipe), shorter)} />
      <Button onClick={() => void trainer.takeShorter()}>Shorten the run</Button>
    </div>
  );
}

function Replaced() {
  const replaced = useForecast((state) => state.replaced);
  const form = useRecipe((state) => state.form);
  const trainer = useTrainer();
  if (replaced === null || replaced.by !== form) return null;
  return (
    <div className={styles.offer} data-testid="shortened">
      <p>The run was shortened:</p>
      <Changes changes={replaced.changes} />
      <Button variant="quiet" onClick={() => void trainer.undoShorter()}>
        Undo
      </Button>
    </div>
  );
}

export function Forecast() {
  const forecast = useForecast((state) => state.forecast);
  if (forecast === null) return <Replaced />;
  if (forecast.kind === 'unknown')
    return (
      <>
        {forecast.isMeasuring && (
          <p className={styles.soft} data-testid="forecast">
            Finding out how long a run takes here.
          </p>
        )}
        <Replaced />
      </>
    );
  return <Known forecast={forecast} />;
}

function Known({ forecast }: { readonly forecast: Extract<RunForecast, { kind: 'known' }> }) {
  const patience = useRecipe((state) => state.recipe?.patience ?? null);
  const hasEnded = useRun(({ phase }) => phase.kind === 'finished' || phase.kind === 'failed');
  const { seconds, preparing, training, measuring } = forecast;
  const parts = [
    ['preparing', preparing],
    ['training', training],
    ['measuring', measuring],
  ] as const;
  return (
    <>
      <p className={styles.soft} data-testid="forecast" data-seconds={Math.round(seconds)}>
        {hasEnded ? 'The next run' : 'The whole run'} takes about <strong>{aboutText(seconds)}</strong> on
        this device ({parts.map(([name, part]) => `${name} ${aboutText(part)}`).join(', ')})
        {patience === null ? '.' : ', and less if it ends early.'}
      </p>
      <Shorter />
      <Replaced />
    </>
  );
}
