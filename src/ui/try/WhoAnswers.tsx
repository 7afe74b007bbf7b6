// Who answers when images are tried: the run, the open model with a classifier of its own, a saved run, or a model
// that somebody brings.
import { pileTitle } from '../../shared/file-pile.ts';
import { useModel } from '../../state/model-store.ts';
import { useRun } from '../../state/run-store.ts';
import { useSavedRuns } from '../../state/saved-runs-store.ts';
import { plainText } from '../../shared/plain-text.ts';
import type { SourceFile, TriedSource } from '../../worker/protocol.ts';
import { FilePick } from '../parts/FilePick.tsx';
import { countText } from '../parts/words.ts';
import { useControls } from '../use-controls.ts';
import styles from './Try.module.css';

/** Somebody who can answer. */
export interface Who {
  readonly key: string;
  readonly title: string;
  /** Null for the run. */
  readonly source: TriedSource | null;
  /** Another object is another one of the same name. */
  readonly of: unknown;
}

/** A model that was brought. */
export type Brought = readonly SourceFile[];

/** Everybody who can answer now, the run first; a run that goes on leaves room for nobody else. */
export function useWhoAnswers(brought: Brought | null): readonly Who[] {
  const { tryRun, edit: tryModel } = useControls();
  const finished = useRun(({ phase }) => phase.kind === 'finished');
  const model = useModel((state) => (state.status === 'ready' ? state.model : null));
  const runs = useSavedRuns((state) => state.runs);
  const all: Who[] = [];
  if (tryRun)
    all.push({
      key: 'run',
      title: finished ? 'The result of the run' : 'The run under way, as it stands',
      source: null,
      of: null,
    });
  if (!tryModel) return all;
  if (brought !== null) {
    const title = pileTitle(brought);
    all.push({ key: 'brought', title, source: { kind: 'files', title, files: brought }, of: brought });
  }
  if (model !== null && model.labels.length > 0) {
    const title = `${model.title}, as it came (${countText(model.labels.length, 'class', 'classes')})`;
    all.push({ key: 'open', title, source: { kind: 'open' }, of: model });
  }
  for (const { id, name, step, deleted } of runs ?? [])
    if (!deleted && step > 0)
      all.push({
        key: `saved ${id}`,
        title: `Saved: ${plainText(name, 60)}, step ${step}`,
        source: { kind: 'saved', id },
        of: step,
      });
  return all;
}

interface WhoAnswersProps {
  readonly all: readonly Who[];
  readonly who: Who | null;
  readonly onChoose: (key: string) => void;
  readonly onBring: (files: Brought) => void;
}

export function WhoAnswers({ all, who, onChoose, onBring }: WhoAnswersProps) {
  const { edit: tryModel } = useControls();
  return (
    <div className={styles.who}>
      {who === null ? (
        <p>
          Nobody here can answer yet: start a run and wait for its first evaluation, or bring a Hugging Face
          or timm folder of a model with a classifier.
        </p>
      ) : (
        <label className={styles.chosen}>
          <span>Who answers</span>
          <select
            value={who.key}
            data-testid="who-answers"
            onChange={({ currentTarget }) => onChoose(currentTarget.value)}
          >
            {all.map(({ key, title }) => (
              <option key={key} value={key}>
                {title}
              </option>
            ))}
          </select>
        </label>
      )}
      {tryModel ? (
        <div className={styles.actions}>
          <FilePick
            label="Bring a model’s folder"
            folder
            variant="quiet"
            testId="try-model-folder"
            onFiles={onBring}
          />
          <FilePick
            label="or its files"
            multiple
            variant="quiet"
            testId="try-model-files"
            onFiles={onBring}
          />
        </div>
      ) : (
        <p className={styles.soft}>While a run is under way, it alone answers, between two of its steps.</p>
      )}
    </div>
  );
}
