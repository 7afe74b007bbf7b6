// What each branch of an ended run is for: switches and what the model answers with them, what removals cost, how
// alike branches are. Loaded when a run has ended; the run stays as it is.
import { useEffect, useEffectEvent, useMemo, useRef, useState } from 'react';
import { learnsInstead } from '../../recipe/what-learns.ts';
import { openBranches, stopOpening, useBranches } from '../../state/branch-store.ts';
import { useRun } from '../../state/run-store.ts';
import { useUnderstanding } from '../../state/understand-store.ts';
import type { BranchFigures, RunResult, SetAnswers } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { Switch } from '../parts/Switch.tsx';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { AlikeView } from './AlikeView.tsx';
import { blocksOf } from './branch-tree.ts';
import styles from './Branches.module.css';
import { BranchSwitches } from './BranchSwitches.tsx';
import { ImaginedView } from './ImaginedView.tsx';
import { RemovalsView } from './RemovalsView.tsx';
import { seenOf } from './seen.ts';
import shared from './Understand.module.css';

export default function BranchesCard() {
  const result = useRun((state) => state.result);
  return result === null ? null : <OfResult result={result} />;
}

function OfResult({ result }: { readonly result: RunResult }) {
  const answers = useUnderstanding((state) => state.answers.validation);
  const isOurs = useBranches((state) => state.of === result);
  const figures = useBranches((state) => state.figures);
  const fault = useBranches((state) => state.fault);
  const learned = useRun(({ summary }) => learnsInstead(summary?.recipe));
  /** Whoever opened it by the button, which then is there no longer, is led to what came. */
  const [pressed, setPressed] = useState(false);
  if (learned !== null)
    return (
      <Card title="What each branch is for" id="branches">
        <p>This run had no branches: what learned is {learned}.</p>
      </Card>
    );
  return (
    <Card title="What each branch is for" id="branches">
      {isOurs && figures !== null && answers !== undefined ? (
        <Opened
          result={result}
          figures={figures}
          answers={answers}
          takesFocus={pressed}
          onFocused={() => setPressed(false)}
        />
      ) : (
        <NotOpened result={result} onPress={() => setPressed(true)} />
      )}
      {isOurs && fault !== null && <FaultBox fault={fault} />}
    </Card>
  );
}

function NotOpened({ result, onPress }: { readonly result: RunResult; readonly onPress: () => void }) {
  const isOpening = useBranches((state) => state.of === result && state.isOpening);
  const { exportModel } = useControls();
  const trainer = useTrainer();
  return (
    <>
      <p>
        Each layer was given several small branches, and training put into them what it learned. Switch some
        off, or bring back those that were dropped: what does the model answer then? The run and its files
        stay as they are.
      </p>
      <div className={shared.asking}>
        {isOpening && (
          <div className={shared.progress}>
            <ProgressLine fallback="Looking at the branches" />
          </div>
        )}
        <Button
          disabled={!isOpening && !exportModel}
          onClick={() => {
            onPress();
            if (isOpening) stopOpening(trainer);
            else void openBranches(trainer, result);
          }}
        >
          {isOpening ? 'Cancel' : 'Look at its branches'}
        </Button>
      </div>
    </>
  );
}

const views = [
  { value: 'switches', label: 'Switch them off' },
  { value: 'removals', label: 'What removals cost' },
  { value: 'alike', label: 'How alike they are' },
] as const;

interface OpenedProps {
  readonly result: RunResult;
  readonly figures: BranchFigures;
  readonly answers: SetAnswers;
  readonly takesFocus: boolean;
  /** Once is enough: not again when the view is shown again. */
  readonly onFocused: () => void;
}

function Opened({ result, figures, answers, takesFocus, onFocused }: OpenedProps) {
  const modules = useRun((state) => state.modules);
  const blocks = useMemo(() => blocksOf(modules, figures), [modules, figures]);
  const base = useMemo(() => seenOf(answers), [answers]);
  const [view, setView] = useState<(typeof views)[number]['value']>('switches');
  const start = useRef<HTMLDivElement>(null);
  const focused = useEffectEvent(onFocused);
  useEffect(() => {
    if (!takesFocus) return;
    start.current?.focus();
    focused();
  }, [takesFocus]);
  return (
    <>
      {result.learnedValidation === true && (
        <p>
          The validation images, which are asked here, were learned as well: on others branches may do less.
        </p>
      )}
      <Switch label="What is shown of the branches" options={views} value={view} onChange={setView} />
      {view === 'switches' && (
        <>
          <p>
            A layer adds the sum of its branches, times its scalar, to what it computed before. What is off
            adds nothing; a dropped branch that is back is as it was just before it left, beside the others as
            they are now.
          </p>
          <div
            className={styles.columns}
            ref={start}
            tabIndex={-1}
            role="group"
            aria-label="Branches to switch"
          >
            <BranchSwitches blocks={blocks} figures={figures} />
            <ImaginedView base={base} />
          </div>
        </>
      )}
      {view === 'removals' && <RemovalsView base={base} name={result.model} />}
      {view === 'alike' && <AlikeView figures={figures} drops={result.drops} />}
    </>
  );
}
