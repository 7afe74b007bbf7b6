// The classes of one image as bars: the result's probability beside the linear probe's, the likeliest first,
// but for a camera, where rows that change places cannot be read.
import { useCallback, useMemo } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { probabilitiesOf } from '../../understand/answers.ts';
import type { TriedImage } from '../../worker/protocol.ts';
import { percentText } from '../parts/words.ts';
import styles from './Try.module.css';

const few = 5;

interface ClassBarsProps {
  readonly image: TriedImage;
  readonly classes: readonly string[];
  /** Whether a run answered, which may have a linear probe to compare with. */
  readonly byRun: boolean;
  /** Null where the image is seen elsewhere. */
  readonly picture: Blob | null;
  /** Whether answers follow each other: few classes then keep their places. */
  readonly live: boolean;
  readonly temperature: number;
}

function Picture({ blob, name }: { readonly blob: Blob; readonly name: string }) {
  const show = useCallback(
    (image: HTMLImageElement) => {
      const url = URL.createObjectURL(blob);
      image.src = url;
      return () => URL.revokeObjectURL(url);
    },
    [blob],
  );
  return <img ref={show} className={styles.picture} alt={name} />;
}

export function ClassBars({ image, classes, byRun, picture, live, temperature }: ClassBarsProps) {
  const { logits, probe, why, path } = image;
  const name = plainText(path, 200);
  const [tuned, probed] = useMemo(
    () => [
      logits === null ? null : probabilitiesOf(logits, temperature),
      probe === null ? null : probabilitiesOf(probe),
    ],
    [logits, probe, temperature],
  );
  if (tuned === null)
    return (
      <p>
        <bdi>{name}</bdi> was not asked about: {why}
      </p>
    );
  const likeliest = [...tuned.keys()].sort((a, b) => (tuned[b] ?? 0) - (tuned[a] ?? 0) || a - b);
  const order = live && classes.length <= few ? [...tuned.keys()] : likeliest.slice(0, few);
  const own = probed === null ? null : probed.indexOf(probed.reduce((a, b) => Math.max(a, b), 0));
  const ids = own === null || order.includes(own) ? order : [...order, own];
  return (
    <div className={styles.one}>
      {picture !== null && <Picture blob={picture} name={name} />}
      <ul className={styles.bars} aria-label="Likeliest classes">
        {ids.map((id) => (
          <li
            key={id}
            className={styles.class}
            data-testid="tried-class"
            data-class={classes[id]}
            data-p={tuned[id]}
            data-first={id === likeliest[0] ? true : undefined}
          >
            <bdi className={styles.name}>{plainText(classes[id] ?? '', 80)}</bdi>
            <Bar share={tuned[id] ?? 0} variant={styles.tuned} what={byRun ? 'fine-tuned' : 'model'} />
            {probed !== null && <Bar share={probed[id] ?? 0} variant={styles.probed} what="linear probe" />}
          </li>
        ))}
      </ul>
      {byRun && (
        <p className={styles.soft}>
          {probed === null
            ? 'This run began without a linear probe to compare with.'
            : 'Upper bar: the fine-tuned model. Lower bar: the linear probe that it began with, which is the model before it was tuned with a new last layer.'}
        </p>
      )}
    </div>
  );
}

function Bar({ share, variant, what }: { share: number; variant: string | undefined; what: string }) {
  return (
    <span className={styles.bar}>
      <svg className={styles.track} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect className={styles.back} width="100" height="10" />
        <rect className={variant} width={100 * share} height="10" />
      </svg>
      <span className={styles.value}>
        <span className={styles.hidden}>{what} </span>
        {percentText(share)}
      </span>
    </span>
  );
}
