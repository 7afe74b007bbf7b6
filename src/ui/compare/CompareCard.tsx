// Saved runs side by side: which, their curves in one picture, in what they differ, what each reached, and what the
// same images say of them. Loaded when it is looked at; no run changes by it.
import { useEffect } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { mostRuns } from '../../state/compare-runs.ts';
import {
  chooseLast,
  chooseRun,
  ended,
  forgetFault,
  isFree,
  readChosen,
  useCompare,
} from '../../state/compare-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import type { ListedRun } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { addressOf } from '../place.ts';
import { ageText, resultText } from '../runs/run-words.ts';
import { useTrainer } from '../trainer-context.ts';
import shared from '../understand/Understand.module.css';
import styles from './Compare.module.css';
import { PairsPart, ResultsPart, SettingsPart } from './CompareTables.tsx';
import type { PlacedRun } from './curve-data.ts';
import { letterOf } from './curves.ts';
import { CurvesPart } from './CurvesPart.tsx';

const noRuns: readonly ListedRun[] = [];

export default function CompareCard() {
  const listed = useSavedRuns((state) => state.runs) ?? noRuns;
  const runs = ended(listed);
  const places = useCompare((state) => state.places);
  const figures = useCompare((state) => state.figures);
  const faults = useCompare((state) => state.faults);
  const baseId = useCompare((state) => state.base);
  const trainer = useTrainer();
  useEffect(() => {
    chooseLast(listed);
    void readChosen(trainer, listed);
  }, [trainer, listed, places, faults]);
  const placed = places.flatMap((id, place): PlacedRun[] => {
    const run = runs.find((one) => one.id === id);
    const known = id === null ? undefined : figures.get(id);
    return run === undefined || known === undefined
      ? []
      : [{ place, name: plainText(run.name, 80), figures: known }];
  });
  const base = placed.find((run) => run.figures.id === baseId) ?? placed[0];
  const isReading = runs.some(({ id }) => places.includes(id) && !figures.has(id) && !faults.has(id));
  return (
    <Card title="Runs side by side" id="compare" aside="of those that ended and are saved on this machine">
      {runs.length < 2 ? (
        <p>
          Two runs that have ended are needed, and {runs.length === 0 ? 'none is' : 'one is'} saved on this
          machine. <a href={addressOf('train')}>Train</a> one with another recipe; or open a run from a file
          under <a href={addressOf('take-home')}>Take home</a>.
        </p>
      ) : (
        <>
          <p>
            What do their recipes change, and is the difference more than chance? The runs stay as they are.
          </p>
          <Picker runs={runs} />
        </>
      )}
      {runs
        .filter(({ id }) => places.includes(id))
        .map(({ id }) => {
          const fault = faults.get(id);
          return fault === undefined ? null : (
            <FaultBox key={id} fault={fault}>
              <Button onClick={() => forgetFault(id)}>Read it again</Button>
            </FaultBox>
          );
        })}
      <p role="status" className={shared.soft}>
        {isReading ? 'Reading…' : ''}
      </p>
      {placed.length > 0 && base !== undefined && (
        <>
          <CurvesPart runs={placed} />
          {placed.length > 1 && (
            <>
              <PairsPart runs={placed} base={base} />
              <SettingsPart runs={placed} />
            </>
          )}
          <ResultsPart runs={placed} />
        </>
      )}
    </Card>
  );
}

function Picker({ runs }: { readonly runs: readonly ListedRun[] }) {
  const places = useCompare((state) => state.places);
  const listedAt = useSavedRuns((state) => state.listedAt);
  const isFull = !places.some((place) => isFree(place, runs));
  return (
    <fieldset className={styles.runs} data-testid="compare-picker">
      <legend>Runs, up to {mostRuns} at once</legend>
      {runs.map((run) => {
        const place = places.indexOf(run.id);
        return (
          <label key={run.id} className={styles.run}>
            <input
              type="checkbox"
              checked={place >= 0}
              disabled={isFull && place < 0}
              onChange={({ currentTarget }) => chooseRun(run.id, currentTarget.checked, runs)}
            />
            <span>
              {place >= 0 && <strong>{letterOf(place)} </strong>}
              <bdi>{plainText(run.name, 80)}</bdi>{' '}
              <span className={shared.soft}>
                {resultText(run)}, {ageText(run.savedAt, listedAt)}
              </span>
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}
