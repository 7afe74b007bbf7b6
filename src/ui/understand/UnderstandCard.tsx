// What the result of the ended run gets wrong: asked part by part of the split when somebody wants to see it,
// and shown as one of four views. The figures are understand/'s; nothing is computed before it is looked at.
import { useMemo, useState } from 'react';
import { validationSentence } from '../../shared/kept-sentence.ts';
import { plainText } from '../../shared/plain-text.ts';
import { useRun } from '../../state/run-store.ts';
import { useUnderstanding } from '../../state/understand-store.ts';
import { macroF1 } from '../../understand/confusion.ts';
import { shareWords } from '../../understand/interval.ts';
import type { RunResult, SetAnswers, SplitName } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { download, safeName } from '../parts/download.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { Switch } from '../parts/Switch.tsx';
import { countText, percentText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { answersCsv } from './answers-csv.ts';
import { CalibrationView } from './CalibrationView.tsx';
import { ClassesView } from './ClassesView.tsx';
import { ConfusionView } from './ConfusionView.tsx';
import { MistakesView } from './MistakesView.tsx';
import { seenOf } from './seen.ts';
import styles from './Understand.module.css';

const setWords = { validation: 'Validation', train: 'Training', test: 'Test' } as const;
const imageWords = {
  validation: 'validation images',
  train: 'training images',
  test: 'test images',
} as const satisfies Record<SplitName, string>;

const views = [
  { value: 'confusion', label: 'Confusion' },
  { value: 'classes', label: 'Classes' },
  { value: 'mistakes', label: 'Mistakes' },
  { value: 'calibration', label: 'How sure it is' },
] as const;
type View = (typeof views)[number]['value'];

export default function UnderstandCard() {
  const result = useRun((state) => state.result);
  return result !== null ? <OfResult result={result} /> : null;
}

function OfResult({ result }: { readonly result: RunResult }) {
  const [set, setSet] = useState<SplitName>('validation');
  const answers = useUnderstanding((state) => state.answers[set]);
  const counts = {
    validation: result.validationImages,
    train: result.trainImages,
    test: result.testImages,
  };
  const sets = (['validation', 'train', 'test'] as const).filter((name) => counts[name] > 0);
  return (
    <Card
      title="What it gets wrong"
      id="understand"
      aside={
        <Switch
          label="Images that it is asked about"
          options={sets.map((value) => ({ value, label: setWords[value] }))}
          value={set}
          onChange={setSet}
        />
      }
    >
      {answers === undefined ? (
        <NotAsked set={set} count={counts[set]} />
      ) : (
        <Answered key={set} answers={answers} result={result} />
      )}
    </Card>
  );
}

function NotAsked({ set, count }: { readonly set: SplitName; readonly count: number }) {
  const asking = useUnderstanding((state) => state.asking);
  const fault = useUnderstanding((state) => state.faults[set]);
  const { exportModel } = useControls();
  const trainer = useTrainer();
  return (
    <>
      <p>
        {set === 'train' &&
          'Which images does it get wrong though it has learned from them? Their labels may be wrong. '}
        {set === 'validation' &&
          'Which images does the result get wrong, what does it take them for, and how sure is it? '}
        {set === 'test' &&
          'These images were measured once, and nothing was chosen by them. Look at them one by one only when you are done: whatever you change because of them, they are a test no longer. '}
        The model is asked once more about {countText(count, 'image')}; the run stays as it is.
      </p>
      {asking !== set ? (
        <div className={styles.asking}>
          <Button
            variant={set === 'validation' ? 'primary' : 'plain'}
            disabled={!exportModel || asking !== null}
            onClick={() => void trainer.askAbout(set)}
          >
            {set === 'test' ? 'Look at the test images' : 'Look at its answers'}
          </Button>
          {asking !== null && (
            <p className={styles.soft} role="status">
              It is being asked about the {imageWords[asking]} now: one part after the other.
            </p>
          )}
        </div>
      ) : (
        <div className={styles.asking}>
          <div className={styles.progress}>
            <ProgressLine fallback="Asking the model" />
          </div>
          <Button onClick={() => trainer.stopAsking()}>Cancel</Button>
        </div>
      )}
      {fault !== undefined && <FaultBox fault={fault} />}
    </>
  );
}

const notes = {
  train: 'It has learned from these: the share tells what it could hold, not what it knows.',
  test: 'Neither training nor any choice has seen these.',
} as const;

function Answered({ answers, result }: { readonly answers: SetAnswers; readonly result: RunResult }) {
  const [view, setView] = useState<View>('confusion');
  const seen = useMemo(() => seenOf(answers), [answers]);
  const { labels, set } = answers;
  const { share, interval } = shareWords(seen.given.right / labels.length, labels.length);
  const isLearned = set === 'train' || (set === 'validation' && result.learnedValidation === true);
  const f1 = macroF1(seen.figures);
  return (
    <>
      <p data-testid="answers" data-set={set} data-right={seen.given.right} data-images={labels.length}>
        <strong>{share}</strong> {imageWords[set]} right{isLearned ? '' : `: ${interval}`}.{' '}
        {f1 !== null && `Mean F1 of the classes ${percentText(f1)}. `}
        {set === 'validation' ? validationSentence(result) : notes[set]}
      </p>
      <div className={styles.bar}>
        <Switch label="What is shown" options={views} value={view} onChange={setView} />
        <Button
          variant="quiet"
          icon="download"
          onClick={() =>
            download(answersCsv(seen), `${safeName(`${plainText(result.model, 60)}-${set}`)}.csv`)
          }
        >
          Answers as CSV
        </Button>
      </div>
      {view === 'confusion' && <ConfusionView seen={seen} />}
      {view === 'classes' && <ClassesView seen={seen} />}
      {view === 'mistakes' && <MistakesView seen={seen} />}
      {view === 'calibration' && <CalibrationView seen={seen} />}
    </>
  );
}
