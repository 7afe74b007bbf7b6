// What is found among the open images by what they look like, and which labels the model doubts, each finding
// with its pictures. What is done about them is an edit like any other (ui/gallery/), and a finding that is
// settled goes.
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import { useGallery } from '../../state/gallery-store.ts';
import type { DataSummary, DoubtedLabel, FoundImage, Gallery, ImageCheck } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { liveDoubts, liveFindings } from './live-findings.ts';
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
          'Almost the same picture is learned from and held out, so that the accuracy flatters. Draw copies together, leave one of them out, or put both on one side.',
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

const isNear = ({ kind }: Finding): boolean =>
  kind === 'near-leak' || kind === 'near-conflict' || kind === 'near-copies';

/** Near copies of any kind, each group as the numbers of its pictures. */
const nearGroups = (findings: readonly Finding[]): number[][] =>
  findings.filter(isNear).flatMap(({ groups }) => groups.map((group) => group.map(({ image }) => image)));

const isTied = ({ together }: DataSummary): boolean => together?.by.includes('look') ?? false;

/** What can be done about all of a finding at once. */
function fixOf({ kind, groups }: Finding): { readonly words: string; readonly images: readonly number[] } {
  const all = (keep: (found: FoundImage, at: number) => boolean): number[] =>
    groups.flatMap((group) => group.filter((found, at) => !keep(found, at)).map(({ image }) => image));
  switch (kind) {
    case 'near-leak':
      return {
        words: 'Leave out those that are learned from',
        images: all(({ split }) => split !== 'train'),
      };
    case 'near-copies':
      return { words: 'Keep the first of each', images: all((_, at) => at === 0) };
    case 'near-conflict':
    case 'one-shade':
    case 'blurred':
      return { words: 'Leave them out', images: all(() => false) };
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
  fix,
  children,
}: {
  readonly what: string;
  readonly meaning: string;
  readonly testId: string;
  readonly items: readonly T[];
  readonly imagesOf: (item: T) => readonly number[];
  readonly fix?: ReactNode;
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
      {fix !== undefined && <div>{fix}</div>}
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

interface LooksProps {
  readonly disabled: boolean;
  readonly gallery: Gallery | null;
}

function Looks({ disabled, gallery }: LooksProps) {
  const check = useData((state) => state.check);
  const data = useData((state) => state.data);
  const isEditing = useGallery((state) => state.isEditing);
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
  const { checked, total } = check;
  const findings = liveFindings(check.findings, gallery);
  const groups = nearGroups(check.findings);
  const canTie = groups.length > 0 && data !== null && data.isDrawn && !isTied(data);
  const nearest = findings.find(isNear)?.kind;
  return (
    <>
      <p role="status" data-testid="checked">
        {findings.length > 0
          ? 'Something was found'
          : check.findings.length > 0
            ? 'All that was found is settled'
            : 'Nothing was found'}{' '}
        among {countText(checked, 'image')}
        {checked < total && `; ${wholeText(total - checked)} more could not be decoded`}.
      </p>
      {findings.map((finding) => {
        const { words, images } = fixOf(finding);
        return (
          <Opening
            key={finding.kind}
            {...wordsOf(finding)}
            testId={`found-${finding.kind}`}
            items={finding.groups}
            imagesOf={imagesOfGroup}
            fix={
              <span className={styles.offers}>
                {canTie && finding.kind === nearest && (
                  <Button
                    held={isEditing}
                    onClick={() => void trainer.editImages({ kind: 'together', groups })}
                  >
                    Draw all near copies together
                  </Button>
                )}
                <Button held={isEditing} onClick={() => void trainer.editImages({ kind: 'exclude', images })}>
                  {words}
                </Button>
              </span>
            }
          >
            {(shown) => shown.map((group) => <Group key={group[0]?.image} group={group} />)}
          </Opening>
        );
      })}
    </>
  );
}

function Labels({ disabled, gallery }: LooksProps) {
  const check = useData((state) => state.labelCheck);
  const isEditing = useGallery((state) => state.isEditing);
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
  const { checked } = check;
  const doubts = liveDoubts(check.doubts, gallery);
  if (doubts.length === 0)
    return (
      <p role="status" data-testid="labels-checked">
        {check.doubts.length > 0
          ? 'No label is in doubt any more.'
          : `No label of ${countText(checked, 'image')} is in doubt: none looks, to this model, like another class only.`}
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
            <span className={styles.fixes}>
              <Button
                variant="quiet"
                held={isEditing}
                onClick={() =>
                  void trainer.editImages({ kind: 'relabel', images: [doubt.image], to: doubt.says })
                }
              >
                Make it <bdi>{plainText(doubt.says, 24)}</bdi>
              </Button>
              <Button
                variant="quiet"
                held={isEditing}
                onClick={() => void trainer.editImages({ kind: 'exclude', images: [doubt.image] })}
              >
                Leave out
              </Button>
            </span>
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
  const data = useData((state) => state.data);
  const isFound = useData(
    ({ check, labelCheck }) => typeof check === 'object' || typeof labelCheck === 'object',
  );
  const gallery = useGallery((state) => state.gallery);
  const fault = useGallery((state) => state.fault);
  const trainer = useTrainer();
  // Findings are told of the images as they are now.
  useEffect(() => {
    if (isFound && data !== null) void trainer.loadGallery();
  }, [trainer, data, isFound]);
  const live = gallery !== null && gallery.set === data?.edits.set ? gallery : null;
  const { undo } = data?.edits ?? { undo: null };
  return (
    <Card title="Check the images">
      <Looks disabled={disabled} gallery={live} />
      <Labels disabled={disabled} gallery={live} />
      {fault !== null && isFound && <FaultBox fault={fault} />}
      {isFound && undo !== null && (
        <div>
          <Button variant="quiet" onClick={() => void trainer.editImages('undo')}>
            Undo: {undo}
          </Button>
        </div>
      )}
    </Card>
  );
}
