// The branch map: every adapted linear of every block with its branches, as a picture and as a table, with
// the details of the one that is pointed at. Before a run it shows what would grow; without branches it says what
// learns instead.
import { useDeferredValue, useMemo, useRef, useState } from 'react';
import { createStore } from 'zustand/vanilla';
import type { Recipe } from '../../recipe/options.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { hasBranches, tunedWords, whatLearns } from '../../recipe/what-learns.ts';
import { afterPaint } from '../../state/after-paint.ts';
import { pointAt, useChart } from '../../state/chart-store.ts';
import { useModel } from '../../state/model-store.ts';
import {
  branchParameters,
  previewModules,
  tunedParameters,
  type LengthPreview,
} from '../../state/plan-preview.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useRun, type BranchMoment } from '../../state/run-store.ts';
import type { ModuleView } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { Switch } from '../parts/Switch.tsx';
import { countText, parametersText, wholeText } from '../parts/words.ts';
import { useDrawsBranches, useShownRecipe } from '../run/drawn-parts.ts';
import { useLength } from '../use-length.ts';
import { BranchDetails } from './BranchDetails.tsx';
import { BranchTable } from './BranchTable.tsx';
import { BranchTree } from './BranchTree.tsx';
import type { Choice } from './ModuleSpot.tsx';
import type { Motion } from './tree-motion.ts';
import styles from './BranchCard.module.css';

/** The moment at or before the step that is pointed at; null where that is now. */
function usePointedMoment(): BranchMoment | null {
  const moments = useRun((state) => state.moments);
  const pointed = useChart((state) => state.pointed);
  if (pointed === null) return null;
  const moment = moments.findLast(({ step }) => step <= pointed) ?? moments[0] ?? null;
  return moment === moments.at(-1) ? null : moment;
}

interface Shown {
  readonly modules: readonly ModuleView[];
  /** Of all branches, and of what is tuned of the backbone; null once a run has them. */
  readonly parameters: { readonly branches: number; readonly tuned: number } | null;
}

function useModules(moment: BranchMoment | null): Shown {
  const now = useRun((state) => state.modules);
  const running = moment?.modules ?? now;
  const config = useModel((state) => state.model?.config ?? null);
  const recipe = useRecipe((state) => state.recipe ?? recipeDefaults);
  const planned = useMemo(
    () =>
      config === null
        ? { modules: [], parameters: null }
        : {
            modules: previewModules(config, recipe),
            parameters: {
              branches: branchParameters(config, recipe),
              tuned: tunedParameters(config, recipe),
            },
          },
    [config, recipe],
  );
  const hasRun = useRun(({ summary }) => summary !== null);
  return hasRun ? { modules: running, parameters: null } : planned;
}

const strongestOf = (modules: readonly ModuleView[]): number =>
  modules.reduce(
    (most, { branches }) => branches.reduce((max, { strength }) => Math.max(max, strength), most),
    0,
  );

/** The strongest branch of the whole run: what grows is seen to grow when the run is gone through. */
function useStrongest(modules: readonly ModuleView[]): number {
  const moments = useRun((state) => state.moments);
  const before = useMemo(
    () => moments.reduce((most, moment) => Math.max(most, strongestOf(moment.modules)), 0),
    [moments],
  );
  return Math.max(
    before,
    useMemo(() => strongestOf(modules), [modules]),
  );
}

/** Goes through the run: the branches as they stood, and the crosshair of the curves with them. */
function Moments({ moment }: { readonly moment: BranchMoment | null }) {
  const moments = useRun((state) => state.moments);
  /** Where the slider was moved to: it is there at once, and the branches and curves follow. */
  const [asked, ask] = useState<number | null>(null);
  const latest = useRef<number | null>(null);
  const last = moments.length - 1;
  if (last < 1) return null;
  const at = Math.min(last, asked ?? (moment === null ? last : moments.indexOf(moment)));
  const step = moments[at]?.step ?? 0;
  const isNow = asked === null ? moment === null : at === last;
  const goTo = (index: number): void => {
    ask(index);
    latest.current = index;
    afterPaint(() => {
      // Of a slider that is drawn along, where it is now.
      if (latest.current !== index) return;
      latest.current = null;
      pointAt(index === last ? null : (moments[index]?.step ?? null));
      ask(null);
    });
  };
  return (
    <div className={styles.moments}>
      <label className={styles.moment}>
        Through the run
        <input
          type="range"
          min="0"
          max={last}
          step="1"
          value={at}
          aria-valuetext={isNow ? `now, after step ${step}` : `after step ${step}`}
          data-testid="moments"
          onChange={({ currentTarget }) => goTo(Number(currentTarget.value))}
        />
      </label>
      <span className={styles.at} data-testid="moment" data-step={step}>
        {isNow ? 'now' : `step ${wholeText(step)}`}
      </span>
      <Button variant="quiet" held={moment === null} onClick={() => pointAt(null)}>
        Now
      </Button>
    </div>
  );
}

/** "One of each leaves at steps 13 and 50; from step 100 on the scalars learn." */
function planSentence({ dropSteps, stage2Step, scalars }: LengthPreview): string {
  const steps = dropSteps.map(wholeText);
  const last = steps.pop();
  const drops =
    last === undefined
      ? 'All of them stay'
      : `One of each leaves at ${steps.length === 0 ? 'step' : `steps ${steps.join(', ')} and`} ${last}`;
  if (stage2Step === null) return `${drops}${scalars === 'joint' ? '; the scalars learn beside them' : ''}.`;
  return scalars === 'scale-then-retrain'
    ? `${drops}; after step ${wholeText(stage2Step)} they begin afresh, beside the learned scalars.`
    : `${drops}; from step ${wholeText(stage2Step)} on the scalars learn.`;
}

/**
 * Whether the run computes on the processor: each frame of the picture's growth would then take from the
 * steps what it takes to draw.
 */
function useIsOnProcessor(): boolean {
  return useRun(({ summary }) => summary !== null && summary.engine.backend !== 'webgpu');
}

/** "Of the trunk, the pretrained model, all biases of the backbone (BitFit) learn too: about 23 k parameters." */
function trunkSentence(recipe: Recipe, tuned: number): string {
  const words = tunedWords(recipe);
  if (words === null) return 'The trunk is the pretrained model, which stays as it is.';
  const verb = recipe.backbone.tune === 'all' ? 'learns' : 'learn';
  return `Of the trunk, the pretrained model, ${words} ${verb} too: about ${parametersText(tuned)} parameters.`;
}

/** Of a run without branches, or of the form's plan for one. */
function NoBranches({ recipe }: { readonly recipe: Recipe }) {
  const hasRun = useRun(({ summary }) => summary !== null);
  const config = useModel((state) => state.model?.config ?? null);
  const words = tunedWords(recipe);
  const count =
    hasRun || config === null ? '' : `, about ${parametersText(tunedParameters(config, recipe))} parameters`;
  return (
    <Card title="Branches">
      <p className={styles.lead} data-testid="no-branches">
        No branches: what learns is {whatLearns(recipe)}.
        {words === null
          ? ' The pretrained model below it stays as it is.'
          : ` Beside the head that is ${words}${count}.`}
      </p>
    </Card>
  );
}

/** The branches of the run; without a run those that the form plans. */
export function BranchCard() {
  const draws = useDrawsBranches();
  const recipe = useShownRecipe();
  if (!draws) return null;
  return hasBranches(recipe) ? <BranchMap recipe={recipe} /> : <NoBranches recipe={recipe} />;
}

function BranchMap({ recipe }: { readonly recipe: Recipe }) {
  const moment = usePointedMoment();
  const { modules, parameters } = useModules(moment);
  const isOnProcessor = useIsOnProcessor();
  const motion = moment !== null ? 'none' : isOnProcessor ? 'falls' : 'all';
  // A hand on the slider does not wait for the picture.
  const drawn = useDeferredValue(
    useMemo<{ modules: typeof modules; motion: Motion }>(() => ({ modules, motion }), [modules, motion]),
  );
  const strongest = useStrongest(drawn.modules);
  const preview = parameters !== null;
  const length = useLength();
  const result = useRun((state) => state.result);
  const drops = useRun((state) => state.drops);
  const jumps = useMemo(
    () => new Map(drops.map(({ step, lossBefore, lossAfter }) => [step, lossAfter - lossBefore])),
    [drops],
  );
  const [view, setView] = useState<'picture' | 'table'>('picture');
  const [choice] = useState<Choice>(() => createStore<string | null>(() => null));
  const branches = modules.flatMap((module) => module.branches);
  const live = branches.filter(({ droppedAt }) => droppedAt === null).length;
  const dropped = branches.length - live;
  const first = modules[0];
  return (
    <Card
      title="Branches"
      aside={
        <Switch
          label="Show branches as"
          value={view}
          options={[
            { value: 'picture', label: 'Picture' },
            { value: 'table', label: 'Table' },
          ]}
          onChange={setView}
        />
      }
    >
      <div data-testid="branch-map" data-live={live} data-dropped={dropped} className={styles.body}>
        <p className={styles.lead}>
          {parameters !== null ? (
            <>
              What will grow: {countText(first?.branches.length ?? 0, 'branch', 'branches')} on each of{' '}
              {countText(modules.length, 'layer')}, {parametersText(parameters.branches)} parameters.{' '}
              {trunkSentence(recipe, parameters.tuned)}
              {length !== null && ` ${planSentence(length)}`}
            </>
          ) : (
            <>
              {moment !== null && `After step ${wholeText(moment.step)}: `}
              <strong>{wholeText(live)}</strong>{' '}
              {result === null || moment !== null ? 'growing' : 'in the result'},{' '}
              <strong>{wholeText(dropped)}</strong> dropped. The longer a branch, the more it changes its
              layer; the thicker, the larger its share there.
              {result !== null &&
                moment === null &&
                result.keptStep < result.steps &&
                ` So they were after step ${wholeText(result.keptStep)}, whose state is the result.`}
            </>
          )}
        </p>
        {view === 'picture' ? (
          <div className={styles.picture}>
            <BranchTree {...drawn} jumps={jumps} strongest={strongest} choice={choice} preview={preview} />
            <BranchDetails modules={modules} choice={choice} jumps={jumps} preview={preview} />
          </div>
        ) : (
          <BranchTable modules={modules} jumps={jumps} />
        )}
        {!preview && <Moments moment={moment} />}
      </div>
    </Card>
  );
}
