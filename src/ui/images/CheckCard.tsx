// What is found among the open images by what they look like, each finding with its pictures. Nothing is
// changed by looking.
import { useEffect, useMemo, useState } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import type { ImageCheck } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import styles from './CheckCard.module.css';

type Finding = ImageCheck['findings'][number];

/** Groups at first, and more at a time. */
const groupsAtOnce = 12;
/** Pictures of a group; the count is of all. */
const perGroup = 6;

const splitWords = { train: 'to learn from', validation: 'to validate', test: 'to test' } as const;

/** What was found, and what it means. */
function wordsOf({ kind, groups }: Finding): { readonly what: string; readonly meaning: string } {
  const count = groups.length;
  switch (kind) {
    case 'near-leak':
      return {
        what: `${countText(count, 'picture')} on both sides of the split`,
        meaning:
          'Almost the same picture is learned from and held out, so that the accuracy flatters. Leave one of them out, or put both on one side.',
      };
    case 'near-conflict':
      return {
        what: `${countText(count, 'picture')} under two classes`,
        meaning: 'Almost the same picture has two labels. One of them may be wrong.',
      };
    case 'near-copies':
      return {
        what: `${countText(count, 'picture')} more than once`,
        meaning: 'Saved again, scaled or brightened. Copies do little harm, but add nothing to learn.',
      };
    case 'one-shade':
      return {
        what: `${countText(count, 'picture')} of one shade`,
        meaning: 'Nothing can be seen on them, and nothing learned.',
      };
    case 'blurred':
      return {
        what: `${countText(count, 'picture')} much softer than the others`,
        meaning:
          'Blurred, scaled up, or from another camera. If they are all of one class, the model may learn the camera instead.',
      };
    default:
      return kind satisfies never;
  }
}

function Group({ group }: { readonly group: Finding['groups'][number] }) {
  const thumbnails = useData((state) => state.thumbnails);
  return (
    <li className={styles.group}>
      {group.slice(0, perGroup).map(({ image, path, class: label, split }) => {
        const url = thumbnails.get(image);
        const name = plainText(path, 200);
        return (
          <figure key={image} className={styles.item} title={name}>
            {url === undefined ? (
              <span className={styles.picture} role="img" aria-label={name} />
            ) : (
              <img className={styles.picture} src={url} alt={name} />
            )}
            <figcaption>
              <bdi>{plainText(label, 40)}</bdi>
              <span className={styles.soft}>{split === null ? 'not used' : splitWords[split]}</span>
            </figcaption>
          </figure>
        );
      })}
      {group.length > perGroup && (
        <span className={styles.soft}>and {wholeText(group.length - perGroup)} more</span>
      )}
    </li>
  );
}

function FindingView({ finding }: { readonly finding: Finding }) {
  const [most, setMost] = useState(groupsAtOnce);
  const [isOpen, setOpen] = useState(false);
  const trainer = useTrainer();
  const shown = useMemo(() => finding.groups.slice(0, most), [finding, most]);
  useEffect(() => {
    if (isOpen)
      void trainer.loadThumbnails(
        shown.flatMap((group) => group.slice(0, perGroup).map(({ image }) => image)),
      );
  }, [trainer, shown, isOpen]);
  const { what, meaning } = wordsOf(finding);
  return (
    <details
      className={styles.finding}
      data-testid={`found-${finding.kind}`}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>{what}</summary>
      <p className={styles.soft}>{meaning}</p>
      <ul className={styles.groups} aria-label={what}>
        {shown.map((group) => (
          <Group key={group[0]?.image} group={group} />
        ))}
      </ul>
      {finding.groups.length > most && (
        <div>
          <Button variant="quiet" onClick={() => setMost(most + 4 * groupsAtOnce)}>
            Show more of {wholeText(finding.groups.length)}
          </Button>
        </div>
      )}
    </details>
  );
}

export function CheckCard() {
  const check = useData((state) => state.check);
  const opens = useData((state) => state.status === 'opening');
  const { edit } = useControls();
  const trainer = useTrainer();
  return (
    <Card title="Check the images">
      {check === 'none' && (
        <>
          <p className={styles.soft}>
            Looks for pictures that are almost the same (in a class, in two classes, or learned from and held
            out), for empty ones, and for ones much softer than the others.
          </p>
          <div>
            <Button disabled={!edit || opens} onClick={() => void trainer.checkImages()}>
              Look for copies and odd pictures
            </Button>
          </div>
        </>
      )}
      {check === 'looking' && (
        <div className={styles.looking}>
          <div className={styles.progress}>
            <ProgressLine fallback="Looking at the images" />
          </div>
          <Button onClick={() => trainer.cancelCheck()}>Cancel</Button>
        </div>
      )}
      {typeof check === 'object' && (
        <>
          <p role="status" data-testid="checked">
            {check.findings.length === 0 ? 'Nothing was found' : 'Something was found'} among{' '}
            {countText(check.checked, 'image')}
            {check.checked < check.total &&
              `; ${wholeText(check.total - check.checked)} more could not be decoded`}
            .
          </p>
          {check.findings.map((finding) => (
            <FindingView key={finding.kind} finding={finding} />
          ))}
        </>
      )}
    </Card>
  );
}
