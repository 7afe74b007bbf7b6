// What is found among the open images by what they look like, and which labels the model doubts, each finding
// with its pictures. Nothing is changed by looking.
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import type { DoubtedLabel, FoundImage, ImageCheck } from '../../worker/protocol.ts';
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

function Found({ found, says }: { readonly found: FoundImage; readonly says?: string }) {
  const url = useData((state) => state.thumbnails.get(found.image));
  const name = plainText(found.path, 200);
  return (
    <figure className={styles.item} title={name}>
      {url === undefined ? (
        <span className={styles.picture} role="img" aria-label={name} />
      ) : (
        <img className={styles.picture} src={url} alt={name} />
      )}
      <figcaption>
        <bdi>{plainText(found.class, 40)}</bdi>
        {says !== undefined && (
          <strong>
            like <bdi>{plainText(says, 40)}</bdi>
          </strong>
        )}
        <span className={styles.soft}>{found.split === null ? 'not used' : splitWords[found.split]}</span>
      </figcaption>
    </figure>
  );
}

function Group({ group }: { readonly group: Finding['groups'][number] }) {
  return (
    <li className={styles.group}>
      {group.slice(0, perGroup).map((found) => (
        <Found key={found.image} found={found} />
      ))}
      {group.length > perGroup && (
        <span className={styles.soft}>and {wholeText(group.length - perGroup)} more</span>
      )}
    </li>
  );
}

/** A finding that opens: the first of its pictures, and more when asked for. */
function Opening<T>({
  what,
  meaning,
  testId,
  items,
  imagesOf,
  children,
}: {
  readonly what: string;
  readonly meaning: string;
  readonly testId: string;
  readonly items: readonly T[];
  readonly imagesOf: (item: T) => readonly number[];
  readonly children: (shown: readonly T[]) => ReactNode;
}) {
  const [most, setMost] = useState(groupsAtOnce);
  const [isOpen, setOpen] = useState(false);
  const trainer = useTrainer();
  const shown = useMemo(() => items.slice(0, most), [items, most]);
  useEffect(() => {
    if (isOpen) void trainer.loadThumbnails(shown.flatMap(imagesOf));
  }, [trainer, shown, imagesOf, isOpen]);
  return (
    <details
      className={styles.finding}
      data-testid={testId}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>{what}</summary>
      <p className={styles.soft}>{meaning}</p>
      <ul className={styles.groups} aria-label={what}>
        {children(shown)}
      </ul>
      {items.length > most && (
        <div>
          <Button variant="quiet" onClick={() => setMost(most + 4 * groupsAtOnce)}>
            Show more of {wholeText(items.length)}
          </Button>
        </div>
      )}
    </details>
  );
}

const imagesOfGroup = (group: Finding['groups'][number]): number[] =>
  group.slice(0, perGroup).map(({ image }) => image);
const imagesOfDoubt = ({ image }: DoubtedLabel): number[] => [image];

function Looking() {
  const trainer = useTrainer();
  return (
    <div className={styles.looking}>
      <div className={styles.progress}>
        <ProgressLine fallback="Looking at the images" />
      </div>
      <Button onClick={() => trainer.cancelCheck()}>Cancel</Button>
    </div>
  );
}

function Looks({ disabled }: { readonly disabled: boolean }) {
  const check = useData((state) => state.check);
  const trainer = useTrainer();
  if (check === 'looking') return <Looking />;
  if (check === 'none')
    return (
      <>
        <p className={styles.soft}>
          Pictures that are almost the same (in a class, in two classes, or learned from and held out), empty
          ones, and ones much softer than the others.
        </p>
        <div>
          <Button disabled={disabled} onClick={() => void trainer.checkImages()}>
            Look for copies and odd pictures
          </Button>
        </div>
      </>
    );
  const { checked, total, findings } = check;
  return (
    <>
      <p role="status" data-testid="checked">
        {findings.length === 0 ? 'Nothing was found' : 'Something was found'} among{' '}
        {countText(checked, 'image')}
        {checked < total && `; ${wholeText(total - checked)} more could not be decoded`}.
      </p>
      {findings.map((finding) => (
        <Opening
          key={finding.kind}
          {...wordsOf(finding)}
          testId={`found-${finding.kind}`}
          items={finding.groups}
          imagesOf={imagesOfGroup}
        >
          {(shown) => shown.map((group) => <Group key={group[0]?.image} group={group} />)}
        </Opening>
      ))}
    </>
  );
}

function Labels({ disabled }: { readonly disabled: boolean }) {
  const check = useData((state) => state.labelCheck);
  const trainer = useTrainer();
  if (check === 'looking') return <Looking />;
  if (check === 'none')
    return (
      <>
        <p className={styles.soft}>
          Labels that may be wrong: the open model, before it learns, is asked which pictures are alike. It
          looks at every image once.
        </p>
        <div>
          <Button disabled={disabled} onClick={() => void trainer.checkLabels()}>
            Look for doubtful labels
          </Button>
        </div>
      </>
    );
  const { checked, doubts } = check;
  if (doubts.length === 0)
    return (
      <p role="status" data-testid="labels-checked">
        No label of {countText(checked, 'image')} is in doubt: none looks, to this model, like another class
        only.
      </p>
    );
  return (
    <Opening
      what={`${countText(doubts.length, 'label')} in doubt, of ${wholeText(checked)}`}
      meaning="To the model that is open, these look like pictures of another class only, the surest first. Some are wrong labels, some are hard pictures: look before you change one."
      testId="found-labels"
      items={doubts}
      imagesOf={imagesOfDoubt}
    >
      {(shown) =>
        shown.map((doubt) => (
          <li key={doubt.image} className={styles.group}>
            <Found found={doubt} says={doubt.says} />
          </li>
        ))
      }
    </Opening>
  );
}

export function CheckCard() {
  const opens = useData((state) => state.status === 'opening');
  const isLooking = useData(({ check, labelCheck }) => check === 'looking' || labelCheck === 'looking');
  const { edit } = useControls();
  const disabled = !edit || opens || isLooking;
  return (
    <Card title="Check the images">
      <Looks disabled={disabled} />
      <Labels disabled={disabled} />
    </Card>
  );
}
