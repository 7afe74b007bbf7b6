// The confusion matrix as a table: a row for what the images are, a column for what was answered. Every cell
// with images is a button that shows them; one of them is in the order of the tab key, arrows lead to the
// others. Of many classes those that are confused most are shown first.
import {
  memo,
  useEffect,
  useMemo,
  useRef,
  useState,
  useTransition,
  type KeyboardEvent,
  type ReactNode,
} from 'react';
import { countOf, mostConfused } from '../../understand/confusion.ts';
import { Button } from '../parts/Button.tsx';
import { cx } from '../parts/cx.ts';
import { Switch } from '../parts/Switch.tsx';
import { countText, percentText, wholeText } from '../parts/words.ts';
import { ImageGrid } from './ImageGrid.tsx';
import { className, type Seen } from './seen.ts';
import styles from './Understand.module.css';

/** More classes than this are not shown before they are asked for. */
const most = 20;

const shares = [
  { value: 'counts', label: 'Counts' },
  { value: 'rows', label: '% of each class' },
  { value: 'columns', label: '% of each answer' },
] as const;
type Share = (typeof shares)[number]['value'];

interface Cell {
  readonly label: number;
  readonly answer: number;
}

export function ConfusionView({ seen }: { readonly seen: Seen }) {
  const { confusion, answers, given } = seen;
  const [share, setShare] = useState<Share>('counts');
  const [all, setAll] = useState(confusion.classes <= most);
  const [isPending, start] = useTransition();
  const [chosen, setChosen] = useState<Cell | null>(null);
  const ids = useMemo(() => mostConfused(confusion, all ? confusion.classes : most), [confusion, all]);
  const shownRows = useGrowing(ids.length);
  const rows = useMemo(
    () =>
      chosen === null
        ? []
        : [...answers.labels.keys()]
            .filter((i) => answers.labels[i] === chosen.label && given.answer[i] === chosen.answer)
            .sort((a, b) => (given.confidence[b] ?? 0) - (given.confidence[a] ?? 0)),
    [chosen, answers, given],
  );
  return (
    <>
      <div>
        <Switch label="What the cells say" options={shares} value={share} onChange={setShare} />
      </div>
      <Matrix seen={seen} ids={ids} rows={shownRows} share={share} chosen={chosen} onChoose={setChosen} />
      {!all && (
        <div className={styles.bar}>
          <span className={styles.soft}>
            The {most} of {wholeText(confusion.classes)} classes that are confused most.
          </span>
          <Button variant="quiet" disabled={isPending} onClick={() => start(() => setAll(true))}>
            {isPending ? 'Drawing all classes' : `Show all ${wholeText(confusion.classes)} classes`}
          </Button>
        </div>
      )}
      {chosen === null ? (
        <p className={styles.soft}>Press a number to see its images.</p>
      ) : (
        <section className={styles.part} aria-live="polite">
          <h3 className={styles.subtitle} data-testid="cell-title">
            {countText(rows.length, 'image')} of <bdi>{className(seen, chosen.label)}</bdi>, answered{' '}
            <bdi>{className(seen, chosen.answer)}</bdi>
          </h3>
          <ImageGrid
            key={`${chosen.label} ${chosen.answer}`}
            seen={seen}
            rows={rows}
            label="Images of this cell"
          />
        </section>
      )}
    </>
  );
}

/** Rows that are added at once: thousands of cells in one go would hold the page up. */
const rowsAtOnce = 4;

/** Grows to a number, some more after each painting; the first screen of them is there at once. */
function useGrowing(to: number): number {
  const [count, setCount] = useState(most);
  useEffect(() => {
    if (count >= to) return;
    const timer = setTimeout(() => setCount(count + rowsAtOnce));
    return () => clearTimeout(timer);
  }, [count, to]);
  return Math.min(count, to);
}

interface MatrixProps {
  readonly seen: Seen;
  readonly ids: readonly number[];
  /** How many of them have their row yet. */
  readonly rows: number;
  readonly share: Share;
  readonly chosen: Cell | null;
  readonly onChoose: (cell: Cell) => void;
}

function Matrix({ seen, ids, rows, share, chosen, onChoose }: MatrixProps) {
  const { confusion } = seen;
  const table = useRef<HTMLTableElement>(null);
  const first = useMemo(() => {
    for (const label of ids)
      for (const answer of ids) if (countOf(confusion, label, answer) > 0) return { label, answer };
    return undefined;
  }, [confusion, ids]);
  const [tabbed, setTabbed] = useState<Cell | undefined>(first);
  const isShown = tabbed !== undefined && ids.includes(tabbed.label) && ids.includes(tabbed.answer);
  const stop = isShown ? tabbed : first;

  function move(event: KeyboardEvent<HTMLTableElement>): void {
    const by = moves.get(event.key);
    const from = event.target instanceof HTMLElement ? event.target.closest('td') : null;
    if (by === undefined || from === null) return;
    event.preventDefault();
    const line = from.closest('tr');
    let [x, y] = [columnOf(from), line?.rowIndex ?? 0];
    for (;;) {
      [x, y] = [x + by[0], y + by[1]];
      const row = table.current?.rows[y];
      if (row === undefined || x < 1 || x > ids.length) return;
      const cell = [...row.cells].find((one) => columnOf(one) === x);
      const button = cell?.querySelector('button');
      if (button == null) continue;
      button.focus();
      return;
    }
  }

  return (
    <div className={styles.scroll} tabIndex={-1} role="region" aria-label="Confusion matrix">
      <table
        ref={table}
        className={cx(styles.matrix, ids.length > most && styles.large)}
        onKeyDown={move}
        data-testid="confusion"
      >
        <caption>
          A row for what the images are, a column for what was answered. Arrow keys lead from number to
          number.
        </caption>
        {ids.length > most && (
          <colgroup>
            <col className={styles.names} />
            <col span={ids.length} className={styles.numbers} />
            <col className={styles.sums} />
          </colgroup>
        )}
        <thead>
          <tr>
            <th scope="col" className={styles.corner}>
              is <span aria-hidden="true">↓</span> answered <span aria-hidden="true">→</span>
            </th>
            {ids.map((answer) => (
              <th key={answer} scope="col" className={styles.column} title={className(seen, answer)}>
                <bdi>{className(seen, answer)}</bdi>
              </th>
            ))}
            {ids.length < confusion.classes && (
              <th scope="col" className={styles.column}>
                others
              </th>
            )}
            <th scope="col" className={styles.column}>
              images
            </th>
          </tr>
        </thead>
        <tbody>
          {ids.slice(0, rows).map((label) => (
            <MatrixRow
              key={label}
              seen={seen}
              ids={ids}
              label={label}
              share={share}
              tabbed={stop?.label === label ? stop.answer : null}
              chosen={chosen?.label === label ? chosen.answer : null}
              onChoose={onChoose}
              onFocus={setTabbed}
            />
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" className={styles.row}>
              answers
            </th>
            {ids.map((answer) => (
              <td key={answer} className={styles.total}>
                {wholeText(confusion.answers[answer] ?? 0)}
              </td>
            ))}
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

/** The column of a cell, those before it with their spans counted. */
function columnOf(cell: HTMLTableCellElement): number {
  let column = 0;
  for (let one = cell.previousElementSibling; one !== null; one = one.previousElementSibling)
    if (one instanceof HTMLTableCellElement) column += one.colSpan;
  return column;
}

interface MatrixRowProps extends Pick<MatrixProps, 'seen' | 'ids' | 'share' | 'onChoose'> {
  readonly label: number;
  /** The answer of the cell in this row that the tab key stops at, and of the one that is shown. */
  readonly tabbed: number | null;
  readonly chosen: number | null;
  readonly onFocus: (cell: Cell) => void;
}

/** A row; neighbours without an image are one cell, since of many classes most have none. */
const MatrixRow = memo(function MatrixRow({
  seen,
  ids,
  share,
  label,
  tabbed,
  chosen,
  onChoose,
  onFocus,
}: MatrixRowProps) {
  const { confusion } = seen;
  const parts: (number | { readonly at: number; readonly count: number })[] = [];
  for (const answer of ids) {
    const last = parts.at(-1);
    if (countOf(confusion, label, answer) > 0 || label === answer) parts.push(answer);
    else if (typeof last === 'object') parts[parts.length - 1] = { ...last, count: last.count + 1 };
    else parts.push({ at: answer, count: 1 });
  }
  return (
    <tr>
      <th scope="row" className={styles.row} title={className(seen, label)}>
        <bdi>{className(seen, label)}</bdi>
      </th>
      {parts.map((part) =>
        typeof part === 'object' ? (
          <td key={part.at} colSpan={part.count} />
        ) : (
          <MatrixCell
            key={part}
            seen={seen}
            label={label}
            answer={part}
            share={share}
            isTabbed={tabbed === part}
            isChosen={chosen === part}
            onChoose={onChoose}
            onFocus={onFocus}
          />
        ),
      )}
      {ids.length < confusion.classes && (
        <td className={styles.total}>
          {wholeText(
            ids.reduce(
              (left, answer) => left - countOf(confusion, label, answer),
              confusion.images[label] ?? 0,
            ),
          )}
        </td>
      )}
      <td className={styles.total}>{wholeText(confusion.images[label] ?? 0)}</td>
    </tr>
  );
});

const moves: ReadonlyMap<string, readonly [x: number, y: number]> = new Map([
  ['ArrowLeft', [-1, 0]],
  ['ArrowRight', [1, 0]],
  ['ArrowUp', [0, -1]],
  ['ArrowDown', [0, 1]],
]);

interface MatrixCellProps extends Cell {
  readonly seen: Seen;
  readonly share: Share;
  readonly isTabbed: boolean;
  readonly isChosen: boolean;
  readonly onChoose: (cell: Cell) => void;
  readonly onFocus: (cell: Cell) => void;
}

function MatrixCell({
  seen,
  label,
  answer,
  share,
  isTabbed,
  isChosen,
  onChoose,
  onFocus,
}: MatrixCellProps): ReactNode {
  const { confusion } = seen;
  const count = countOf(confusion, label, answer);
  if (count === 0) return <td className={label === answer ? styles.missed : undefined} />;
  const ofRow = count / (confusion.images[label] ?? 1);
  const ofColumn = count / (confusion.answers[answer] ?? 1);
  const shown = share === 'columns' ? ofColumn : ofRow;
  const shade = Math.max(1, Math.ceil(5 * shown));
  return (
    <td className={cx(label === answer ? styles.hit : styles.miss)} data-shade={shade}>
      <button
        type="button"
        className={styles.cell}
        tabIndex={isTabbed ? 0 : -1}
        aria-pressed={isChosen}
        aria-label={`${className(seen, label)} answered ${className(seen, answer)}: ${countText(count, 'image')}, ${percentText(ofRow)} of the class, ${percentText(ofColumn)} of the answers`}
        data-testid={`cell-${label}-${answer}`}
        data-count={count}
        onFocus={() => onFocus({ label, answer })}
        onClick={() => onChoose({ label, answer })}
      >
        {share === 'counts' ? wholeText(count) : Math.round(100 * shown)}
      </button>
    </td>
  );
}
