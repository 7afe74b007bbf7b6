// What the removal of each layer and each branch costs on the validation images: measured by one button, part by
// part, as a table that can be sorted, and as CSV.
import { useMemo, useRef, useState } from 'react';
import { rankRemovals, stopRanking, useBranches } from '../../state/branch-store.ts';
import { plainText } from '../../shared/plain-text.ts';
import { isSure } from '../../understand/interval.ts';
import type { Removal } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { csvOf } from '../parts/csv.ts';
import { download, safeName } from '../parts/download.ts';
import { Switch } from '../parts/Switch.tsx';
import table from '../parts/Table.module.css';
import { countText, moduleText, signedText, lossChangeText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './Branches.module.css';
import { lossInterval, rightInterval } from './change-words.ts';
import type { Seen } from './seen.ts';
import shared from './Understand.module.css';

const parts = [
  { value: 'layers', label: 'Layers' },
  { value: 'branches', label: 'Branches' },
] as const;

const columns = [
  { key: 'part', label: 'Without' },
  { key: 'loss', label: 'Cross entropy' },
  { key: 'right', label: 'Images right' },
] as const;
type Column = (typeof columns)[number]['key'];
interface Order {
  readonly by: Column;
  readonly isDown: boolean;
}

/** More rows are drawn when they are asked for. */
const most = 40;

const partText = ({ module, branch }: Removal): string =>
  branch === null ? moduleText(module) : `${moduleText(module)}, branch ${branch}`;

export function RemovalsView({ base, name }: { readonly base: Seen; readonly name: string }) {
  const removals = useBranches((state) => state.removals);
  const removable = useBranches((state) => state.removable);
  const isRanking = useBranches((state) => state.isRanking);
  const trainer = useTrainer();
  const [part, setPart] = useState<(typeof parts)[number]['value']>('layers');
  const rows = useMemo(
    () => removals.filter(({ branch }) => (branch === null) === (part === 'layers')),
    [removals, part],
  );
  const images = base.asked.labels.length;
  const isDone = removable !== null && removals.length >= removable;
  const sure = rows.filter(({ change }) => isSure(change.lossInterval)).length;
  return (
    <section className={shared.part} aria-labelledby="removals-title">
      <h3 id="removals-title" className={shared.subtitle}>
        What each removal costs
      </h3>
      <p>
        The model is asked about its {countText(images, 'validation image')} once without each layer’s
        branches, then once without each single branch. A rise of the cross entropy is what that part was
        worth.
      </p>
      <div className={shared.asking}>
        {(isRanking || (removals.length > 0 && !isDone)) && (
          <label className={styles.progress}>
            <span role="status">
              {isRanking ? 'Measuring' : 'Stopped at'} {wholeText(removals.length)}
              {removable !== null && ` of ${wholeText(removable)}`}
            </span>
            <progress value={removals.length} max={removable ?? 1} aria-label="Removals that are measured" />
          </label>
        )}
        <Button
          held={isDone}
          onClick={() => {
            if (isRanking) stopRanking();
            else void rankRemovals(trainer);
          }}
        >
          {isRanking
            ? 'Cancel'
            : isDone
              ? 'All are measured'
              : removals.length > 0
                ? 'Go on'
                : 'Measure all removals'}
        </Button>
      </div>
      {removals.length > 0 && (
        <>
          <div className={shared.bar}>
            <Switch label="What is taken away" options={parts} value={part} onChange={setPart} />
            <Button
              variant="quiet"
              icon="download"
              onClick={() =>
                download(removalsCsv(removals), `${safeName(`${plainText(name, 60)}-removals`)}.csv`)
              }
            >
              Removals as CSV
            </Button>
          </div>
          {rows.length > 0 && (
            <p className={shared.soft}>
              Of {countText(rows.length, 'removal')} {wholeText(sure)} {sure === 1 ? 'changes' : 'change'} the
              cross entropy by more than chance would (95&nbsp;%, by pairs of the same images). Of a hundred
              that do nothing about five look so all the same.
            </p>
          )}
          <RemovalTable rows={rows} key={part} />
        </>
      )}
    </section>
  );
}

function RemovalTable({ rows }: { readonly rows: readonly Removal[] }) {
  const [order, setOrder] = useState<Order>({ by: 'loss', isDown: true });
  const [all, setAll] = useState(false);
  const region = useRef<HTMLDivElement>(null);
  const sorted = useMemo(() => {
    const sign = order.isDown ? -1 : 1;
    const place = new Map(rows.map((row, i) => [row, i]));
    const value = (row: Removal): number =>
      order.by === 'part' ? (place.get(row) ?? 0) : order.by === 'loss' ? row.change.loss : row.change.right;
    return [...rows].sort((a, b) => sign * (value(a) - value(b)));
  }, [rows, order]);
  const shown = all ? sorted : sorted.slice(0, most);
  return (
    <>
      <div className={table.scroll} ref={region} tabIndex={0} role="region" aria-label="Costs of removals">
        <table className={table.table} data-testid="removals">
          <thead>
            <tr>
              {columns.map(({ key, label }) => (
                <th
                  key={key}
                  scope="col"
                  className={key === 'part' ? undefined : table.number}
                  aria-sort={order.by !== key ? 'none' : order.isDown ? 'descending' : 'ascending'}
                >
                  <button
                    type="button"
                    className={styles.sort}
                    onClick={() =>
                      setOrder({ by: key, isDown: order.by === key ? !order.isDown : key === 'loss' })
                    }
                  >
                    {label}
                    <span aria-hidden="true">{order.by === key ? (order.isDown ? ' ↓' : ' ↑') : ''}</span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={`${row.module} ${row.branch ?? ''}`} data-module={row.module}>
                <th scope="row">{partText(row)}</th>
                <td className={table.number} data-loss={row.change.loss}>
                  {isSure(row.change.lossInterval) ? (
                    <strong>{lossChangeText(row.change.loss)}</strong>
                  ) : (
                    lossChangeText(row.change.loss)
                  )}{' '}
                  <span className={shared.soft}>{lossInterval(row.change)}</span>
                </td>
                <td className={table.number}>
                  {signedText(row.change.right, 0)}{' '}
                  <span className={shared.soft}>{rightInterval(row.change)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < sorted.length && (
        <div>
          <Button
            variant="quiet"
            onClick={() => {
              setAll(true);
              region.current?.focus();
            }}
          >
            Show all {wholeText(sorted.length)}
          </Button>
        </div>
      )}
    </>
  );
}

function removalsCsv(removals: readonly Removal[]): Blob {
  const fields = [
    ...['module', 'branch', 'images', 'cross entropy change', 'low', 'high'],
    ...['right change', 'low', 'high', 'lost', 'gained'],
  ];
  return csvOf(
    fields,
    removals.map(({ module, branch, change }) => [
      ...[module, branch ?? 'all', change.images, change.loss, ...change.lossInterval],
      ...[change.right, ...change.rightInterval, change.lost, change.gained],
    ]),
  );
}
