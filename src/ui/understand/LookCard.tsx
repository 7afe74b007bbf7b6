// Where the result looks in one image, beside the model that it began with: attention of the last block, rollout,
// and what tells of a chosen class, each over the image and each with what it does not prove. An image is chosen
// among those that the result was asked about.
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import { learnsHeadAlone } from '../../recipe/what-learns.ts';
import { plainText } from '../../shared/plain-text.ts';
import { useRun } from '../../state/run-store.ts';
import { useUnderstanding, type LookState } from '../../state/understand-store.ts';
import { confidentMistakes, probabilitiesOf } from '../../understand/answers.ts';
import { heatOverlap } from '../../understand/heat.ts';
import type { ImageLooks, SetAnswers } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { percentText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { HeatPicture } from './HeatPicture.tsx';
import { ImageGrid } from './ImageGrid.tsx';
import styles from './Look.module.css';
import { className, seenOf, type Seen } from './seen.ts';

export default function LookCard() {
  const result = useRun((state) => state.result);
  const answers = useUnderstanding((state) => state.answers);
  const look = useUnderstanding((state) => state.look);
  const isHead = useRun(({ summary }) => summary !== null && learnsHeadAlone(summary.recipe));
  if (result === null) return null;
  const asked = look === null ? (answers.validation ?? answers.train) : answers[look.at.set];
  return (
    <Card title="Where it looks" id="look" aside="before and after fine-tuning">
      <p>
        Which parts of an image reach the answer? Three maps show it for the model that the run began with and
        for the result. They are hints and no proofs: the answer may hang on what no map shows.
        {isHead &&
          ' In this run the head alone learned, so attention is the same before and after, by construction: only what tells of a class can differ.'}
      </p>
      {asked === undefined ? <NotAsked /> : <OfAnswers asked={asked} look={look} />}
    </Card>
  );
}

function NotAsked() {
  const asking = useUnderstanding((state) => state.asking);
  const isAsking = asking !== null;
  const fault = useUnderstanding((state) => state.faults.validation);
  const { exportModel } = useControls();
  const trainer = useTrainer();
  return (
    <>
      <div>
        <Button held={!exportModel || isAsking} onClick={() => void trainer.askAbout('validation')}>
          Show its images
        </Button>
        {asking === 'validation' && (
          <Button variant="quiet" onClick={() => trainer.stopAsking()}>
            Cancel
          </Button>
        )}
      </div>
      {fault !== undefined && <FaultBox fault={fault} />}
    </>
  );
}

function OfAnswers({ asked, look }: { readonly asked: SetAnswers; readonly look: LookState | null }) {
  const trainer = useTrainer();
  const seen = useMemo(() => seenOf(asked), [asked]);
  const rows = useMemo(() => {
    const wrong = confidentMistakes(seen.asked, seen.given);
    const known = new Set(wrong);
    const sure = (row: number): number => seen.given.confidence[row] ?? 0;
    const right = [...asked.labels.keys()].filter((row) => !known.has(row));
    return [...wrong, ...right.sort((a, b) => sure(a) - sure(b) || a - b)];
  }, [seen, asked]);
  // Whoever chose the first image is led to what it shows: the list, which closes, had the focus.
  const start = useRef<HTMLDivElement>(null);
  const chose = useRef(false);
  const isFirst = look === null;
  useEffect(() => {
    if (!isFirst && chose.current) start.current?.focus();
    chose.current = false;
  }, [isFirst]);
  const status =
    look === null
      ? 'Choose an image.'
      : look.isLooking
        ? 'Looking…'
        : look.looked === null
          ? ''
          : `${plainText(asked.paths[look.at.row] ?? '', 200)}: what tells of ${className(seen, look.at.class)}.`;
  return (
    <>
      <p role="status" className={styles.soft} data-testid="look-status">
        {status}
      </p>
      {look !== null && (
        <div className={styles.image} ref={start} tabIndex={-1} role="group" aria-label="The chosen image">
          <OfImage seen={seen} look={look} />
        </div>
      )}
      <details className={styles.choice} open={look === null}>
        <summary>
          {look === null ? 'Images, its mistakes first, then those it was least sure of' : 'Another image'}
        </summary>
        <ImageGrid
          seen={seen}
          rows={rows}
          label="Images to look at, its mistakes first"
          first={12}
          onChoose={(row) => {
            chose.current = isFirst;
            void trainer.lookAt({ set: asked.set, row, class: seen.given.answer[row] ?? 0 });
          }}
          chosen={look?.at.row ?? null}
        />
      </details>
    </>
  );
}

function OfImage({ seen, look }: { readonly seen: Seen; readonly look: LookState }) {
  const { at, looked, fault } = look;
  const { exportModel } = useControls();
  const trainer = useTrainer();
  const classId = useId();
  const { classes, labels } = seen.answers;
  const lookFor = (id: number): void => void trainer.lookAt({ ...at, class: id });
  return (
    <>
      <div className={styles.field}>
        <label htmlFor={classId}>What tells of the class</label>
        <select
          id={classId}
          disabled={!exportModel}
          value={at.class}
          onChange={({ currentTarget }) => lookFor(Number(currentTarget.value))}
        >
          {classes.map((_, id) => (
            <option key={id} value={id}>
              {className(seen, id)}
              {id === seen.given.answer[at.row] && ', its answer'}
              {id === labels[at.row] && ', its own class'}
            </option>
          ))}
        </select>
      </div>
      {fault !== null && (
        <FaultBox fault={fault}>
          <Button onClick={() => lookFor(at.class)}>Look again</Button>
        </FaultBox>
      )}
      {looked !== null && <Maps looked={looked} classId={at.class} name={className(seen, at.class)} />}
    </>
  );
}

const noHead = 'The run began with a random head: nothing told of a class yet.';

function Maps({
  looked,
  classId,
  name,
}: {
  readonly looked: ImageLooks;
  readonly classId: number;
  readonly name: string;
}) {
  const [strength, setStrength] = useState(0.6);
  const strengthId = useId();
  const { before, after, from, pixels, side, grid } = looked;
  const image = { pixels, side, grid, strength };
  const reader = from === 'class-token' ? 'the class token' : 'the mean';
  const kinds = [
    {
      key: 'attention',
      title: 'Attention of the last block',
      shows: `What ${reader}${from === 'mean' ? ' (this model has no class token that its head reads)' : ''} takes in last, the mean of all heads. It is the same for every class, and the last look may fall on patches that only carry what was gathered before.`,
    },
    {
      key: 'rollout',
      title: 'Attention through all blocks',
      shows: `Attention followed from ${reader} back to the image (rollout). It is the same for every class, and it counts what is looked at, not what is made of it.`,
    },
    {
      key: 'relevance',
      title: `What tells of ${name}`,
      shows: `Attention that raises the logit of ${name}, through all blocks. It does not show what speaks against the class, nor that the model would answer otherwise without these patches.`,
    },
  ] as const;
  const sure = ({ logits }: ImageLooks['before']): string =>
    logits === null ? '' : `, ${percentText(probabilitiesOf(logits)[classId] ?? NaN, 0)} ${name}`;
  const titles = [`Before${sure(before)}`, `After${sure(after)}`] as const;
  return (
    <div className={styles.maps} data-testid="look-maps">
      <div className={styles.field}>
        <label htmlFor={strengthId}>Strength of the maps</label>
        <input
          id={strengthId}
          type="range"
          min={0}
          max={1}
          step={0.05}
          value={strength}
          aria-valuetext={percentText(strength, 0)}
          onChange={({ currentTarget }) => setStrength(Number(currentTarget.value))}
        />
      </div>
      {kinds.map(({ key, title, shows }) => {
        const [first, second] = [before[key], after[key]];
        const shared = first === null || second === null ? null : heatOverlap(first, second);
        return (
          <section key={key} className={styles.kind} aria-label={title} data-kind={key}>
            <h3 className={styles.title}>{title}</h3>
            <p className={styles.soft}>
              {shows}
              {shared !== null && ` ${percentText(shared, 0)} of it lies where it lay before.`}
            </p>
            <div className={styles.pair}>
              <HeatPicture {...image} map={first} title={titles[0]} why={noHead} />
              <HeatPicture {...image} map={second} title={titles[1]} />
            </div>
          </section>
        );
      })}
      <p className={styles.soft}>
        Each map is drawn to its own strongest patch: compare where it is bright, not how bright. The image is
        what the model gets, {side} x {side} pixels in {grid} x {grid} patches.
      </p>
    </div>
  );
}
