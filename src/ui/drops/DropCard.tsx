// Every drop with what it cost: the loss on the same batch just before and just after, by event.
import { useState } from 'react';
import { useRun } from '../../state/run-store.ts';
import type { DropRecord } from '../../worker/protocol.ts';
import { Card } from '../parts/Card.tsx';
import { cx } from '../parts/cx.ts';
import table from '../parts/Table.module.css';
import { drawsDrops } from '../run/drawn-parts.ts';
import { countText, lossText, moduleText, lossChangeText } from '../parts/words.ts';

/** Colour for a loss that rose, and for nothing else. */
const harm = (jump: number): string | undefined => (jump > 0 ? table.harm : undefined);

function DropEvent({ step, drops }: { readonly step: number; readonly drops: readonly DropRecord[] }) {
  const [open, setOpen] = useState(drops.length === 1);
  const { lossBefore = NaN, lossAfter = NaN } = drops[0] ?? {};
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" className={table.group}>
          {step}
        </th>
        <td className={cx(table.group, table.wraps)} colSpan={2}>
          <button type="button" className={table.toggle} aria-expanded={open} onClick={() => setOpen(!open)}>
            {countText(drops.length, 'branch', 'branches')} together
          </button>
        </td>
        <td className={cx(table.group, table.number)}>{lossText(lossBefore)}</td>
        <td className={cx(table.group, table.number)}>{lossText(lossAfter)}</td>
        <td className={cx(table.group, table.number, harm(lossAfter - lossBefore))}>
          {lossChangeText(lossAfter - lossBefore)}
        </td>
      </tr>
      {open &&
        drops.map((drop) => (
          <tr key={`${drop.module} ${drop.branch}`}>
            <td>{drop.step}</td>
            <td>{moduleText(drop.module)}</td>
            <td>{drop.branch}</td>
            <td className={table.number}>{lossText(drop.lossBefore)}</td>
            <td className={table.number}>{lossText(drop.lossAfter)}</td>
            <td className={cx(table.number, harm(drop.lossAfter - drop.lossBefore))}>
              {lossChangeText(drop.lossAfter - drop.lossBefore)}
            </td>
          </tr>
        ))}
    </tbody>
  );
}

export function DropCard() {
  const drops = useRun((state) => state.drops);
  const summary = useRun((state) => state.summary);
  if (summary === null || !drawsDrops({ summary })) return null;
  const steps = [...new Set(drops.map(({ step }) => step))];
  return (
    <Card title="Drops" aside={`${steps.length} of ${countText(new Set(summary.dropSteps).size, 'event')}`}>
      {drops.length === 0 ? (
        <p>
          The first branches drop at step {summary.dropSteps[0]}. What it costs is measured and listed here.
        </p>
      ) : (
        <>
          <p className={table.about}>
            The loss of one training batch just before and just after: what the drop itself costs. A loss that
            rose is marked; the branches that stay learn to make up for it.
          </p>
          <div className={table.scroll} tabIndex={0} role="region" aria-label="Drops as a table">
            <table className={cx(table.table, table.tight)} data-testid="drops" data-count={drops.length}>
              <thead>
                <tr>
                  <th scope="col">Step</th>
                  <th scope="col">Layer</th>
                  <th scope="col">Branch</th>
                  <th scope="col" className={table.number}>
                    Before
                  </th>
                  <th scope="col" className={table.number}>
                    After
                  </th>
                  <th scope="col" className={table.number}>
                    Jump
                  </th>
                </tr>
              </thead>
              {steps.map((step) => (
                <DropEvent key={step} step={step} drops={drops.filter((drop) => drop.step === step)} />
              ))}
            </table>
          </div>
        </>
      )}
    </Card>
  );
}
