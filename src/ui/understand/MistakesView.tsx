// The images that are answered wrongly: of those it did not learn from the surest answers first, of those it
// did the ones whose label is thought least likely, since that label may be wrong.
import { useMemo } from 'react';
import { useUnderstanding } from '../../state/understand-store.ts';
import { confidentMistakes, neverLearned } from '../../understand/answers.ts';
import { countText } from '../parts/words.ts';
import { addressOf, goTo } from '../place.ts';
import { useTrainer } from '../trainer-context.ts';
import { ImageGrid } from './ImageGrid.tsx';
import type { Seen } from './seen.ts';
import styles from './Understand.module.css';

export function MistakesView({ seen }: { readonly seen: Seen }) {
  const { asked, given, answers } = seen;
  const isTraining = answers.set === 'train';
  const rows = useMemo(
    () => (isTraining ? neverLearned(asked, given) : confidentMistakes(asked, given)),
    [isTraining, asked, given],
  );
  const chosen = useUnderstanding(({ look }) => (look?.at.set === answers.set ? look.at.row : null));
  const trainer = useTrainer();
  const lookAt = (row: number): void => {
    void trainer.lookAt({ set: answers.set, row, class: given.answer[row] ?? 0 });
    goTo('understand', 'looks');
  };
  if (rows.length === 0)
    return (
      <p>
        {isTraining
          ? 'It has learned every one of them.'
          : 'It answered every one of them right. Wrong labels may still be among those it learned from: ask it about “Training” too.'}
      </p>
    );
  return (
    <>
      <p className={styles.soft}>
        {isTraining
          ? `${countText(rows.length, 'image')} that it has learned from and still answers otherwise, the least likely label first. Look whether the label is right before you trust the model less.`
          : `${countText(rows.length, 'mistake')}, those that it was surest of first.`}{' '}
        A label is put right under <a href={addressOf('images', 'all')}>Images</a>.
      </p>
      <ImageGrid
        seen={seen}
        rows={rows}
        label={isTraining ? 'Images that it did not learn' : 'Mistakes, the surest first'}
        onChoose={lookAt}
        chosen={chosen}
      />
    </>
  );
}
