// Which of several recipes is better on the open images: offers arms and seeds and says what that takes, shows how
// far their runs are, and what they say together. Each run is one of the list.
import { useState } from 'react';
import { probeArm, readArms, type Arm } from '../../lab/arms.ts';
import { baselinesOf } from '../../lab/baselines.ts';
import type { Recipe } from '../../recipe/options.ts';
import { plainText } from '../../shared/plain-text.ts';
import { ended } from '../../state/compare-store.ts';
import { useForecast } from '../../state/forecast-store.ts';
import { useQueue } from '../../state/queue-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import type { ListedRun, SourceFile } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { aboutText, countText, percentText } from '../parts/words.ts';
import { addressOf } from '../place.ts';
import { QueueProgress } from '../queue/QueueProgress.tsx';
import { ageText } from '../runs/run-words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import styles from './Lab.module.css';
import { LabResult } from './LabResult.tsx';

const offeredSeeds = [3, 5, 10] as const;
/** The arm that the others are compared with. */
const ownName = 'this recipe';
/** More of the last runs, beside those that are chosen, are no list to choose from. */
const mostRuns = 8;
const noRuns: readonly ListedRun[] = [];

export default function LabCard() {
  const queue = useQueue((state) => state.queue);
  return (
    <Card title="Which recipe is better" id="lab" aside="several recipes, each with several seeds">
      {queue === null && <Offer />}
      {queue?.kind === 'arms' && (
        <QueueProgress queue={queue}>
          <LabResult queue={queue} />
        </QueueProgress>
      )}
      {queue?.kind === 'folds' && (
        <p>
          A check by folds is there, under <a href={addressOf('train')}>Train</a>. When it is put away,
          recipes can be compared.
        </p>
      )}
    </Card>
  );
}

/** An arm that is offered, with what to know of it. */
interface Offered extends Arm {
  /** What it is chosen by: stays while others come and go, whatever they are called. */
  readonly key: string;
  readonly about: string;
}

const keyOfRun = ({ id }: ListedRun): string => `run:${id}`;
const keyInFile = (place: number): string => `file:${place}`;
const isInFile = (key: string): boolean => key.startsWith('file:');

const rightText = ({ validation }: ListedRun): string =>
  validation === null ? '' : `, ${percentText(validation.accuracy)} of validation right`;

/** Names that arms have already get a number, so that no two are called the same. */
function named(arms: readonly Offered[]): Offered[] {
  const taken = new Set([probeArm]);
  return arms.map((arm) => {
    const short = plainText(arm.name, 36);
    let name = short;
    for (let number = 2; taken.has(name); number++) name = `${short} (${number})`;
    taken.add(name);
    return { ...arm, name };
  });
}

function offeredArms(
  recipe: Recipe,
  runs: readonly ListedRun[],
  listedAt: number,
  ofFiles: readonly Arm[],
): Offered[] {
  return named([
    { key: 'own', name: ownName, recipe, about: 'that of the form: the others are compared with it' },
    ...baselinesOf(recipe).map((arm) => ({
      ...arm,
      key: `base:${arm.name}`,
      about: 'made from this recipe',
    })),
    ...ofFiles.map((arm, i) => ({ ...arm, key: keyInFile(i), about: 'of a file' })),
    ...runs.map((run) => ({
      key: keyOfRun(run),
      name: run.name,
      recipe: run.recipe,
      about: `of a run that ended ${ageText(run.savedAt, listedAt)}${rightText(run)}`,
    })),
  ]);
}

function Offer() {
  /** Keys of arms. */
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [ofFiles, setOfFiles] = useState<readonly Arm[]>([]);
  const [mistakes, setMistakes] = useState<readonly string[]>([]);
  const [seeds, setSeeds] = useState<number>(offeredSeeds[0]);
  const recipe = useRecipe((state) => state.recipe);
  const runs = useSavedRuns((state) => state.runs) ?? noRuns;
  const listedAt = useSavedRuns((state) => state.listedAt);
  const seconds = useForecast(({ forecast }) => (forecast?.kind === 'known' ? forecast.seconds : null));
  const trainer = useTrainer();
  const { start } = useControls();
  if (recipe === null)
    return (
      <p>
        The recipe under <a href={addressOf('train')}>Train</a> cannot be used as it stands: put it right
        there.
      </p>
    );
  const listed = ended(runs).filter((run, i) => i < mostRuns || chosen.has(keyOfRun(run)));
  const offered = offeredArms(recipe, listed, listedAt, ofFiles);
  const arms = offered.filter(({ key }, i) => i === 0 || chosen.has(key));
  const count = arms.length * seeds;

  async function addFile([file]: readonly SourceFile[]): Promise<void> {
    if (file === undefined) return;
    const read = await readArms(file.blob);
    setMistakes(read.ok ? [] : read.fault);
    if (!read.ok) return;
    setOfFiles(read.value.arms);
    // They take the place of those of a file before.
    const others = [...chosen].filter((key) => !isInFile(key));
    setChosen(new Set([...others, ...read.value.arms.map((_, i) => keyInFile(i))]));
  }

  return (
    <>
      <p>
        One run of each says little: another seed draws another split, and both rise or fall with it. Here
        every recipe is trained with every seed, on the same split, in the same order and from the same
        initial values, and they are compared pair by pair. The linear probe is compared too. Split and seeds
        are the same for all.
      </p>
      <fieldset className={styles.arms} data-testid="lab-arms">
        <legend>Recipes</legend>
        {offered.map(({ key, name, about }, i) => (
          <label key={key} className={styles.arm}>
            <input
              type="checkbox"
              checked={i === 0 || chosen.has(key)}
              disabled={i === 0}
              onChange={({ currentTarget }) => {
                const now = new Set(chosen);
                if (currentTarget.checked) now.add(key);
                else now.delete(key);
                setChosen(now);
              }}
            />
            <span>
              <bdi>{name}</bdi> <span className={styles.soft}>{about}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {mistakes.length > 0 && (
        <ul className={styles.mistakes} role="alert">
          {mistakes.map((mistake) => (
            <li key={mistake}>{mistake}</li>
          ))}
        </ul>
      )}
      <div className={styles.actions}>
        <FilePick
          label="Recipes of a file"
          accept=".json,application/json"
          testId="lab-file"
          variant="quiet"
          onFiles={(files) => void addFile(files)}
        />
        <label className={styles.count}>
          <span>Seeds</span>
          <select value={seeds} onChange={({ currentTarget }) => setSeeds(Number(currentTarget.value))}>
            {offeredSeeds.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <Button
          icon="play"
          held={!start || arms.length < 2}
          onClick={() =>
            void trainer.compareArms(
              arms,
              Array.from({ length: seeds }, (_, i) => i + 1),
            )
          }
        >
          Train {countText(count, 'run')}
        </Button>
        <span className={styles.soft} data-testid="lab-forecast">
          {arms.length < 2
            ? 'Choose one recipe or more to compare this one with.'
            : seconds === null
              ? `${arms.length} recipes with ${seeds} seeds`
              : `takes about ${aboutText(count * seconds)} if all take as long as this recipe`}
        </span>
      </div>
    </>
  );
}
