// The branch map as a table: the same facts for those who cannot or would rather not read the picture.
import type { ModuleView } from '../../worker/protocol.ts';
import table from '../parts/Table.module.css';
import { cx } from '../parts/cx.ts';
import { moduleText, lossChangeText } from '../parts/words.ts';

interface BranchTableProps {
  readonly modules: readonly ModuleView[];
  /** What the loss did at each drop, by its step. */
  readonly jumps: ReadonlyMap<number, number>;
}

export function BranchTable({ modules, jumps }: BranchTableProps) {
  const lossWords = (step: number): string => {
    const jump = jumps.get(step);
    return jump === undefined ? '' : `, loss ${lossChangeText(jump)}`;
  };
  const most = Math.max(-1, ...modules.flatMap(({ branches }) => branches.map(({ index }) => index))) + 1;
  return (
    <div className={table.scroll} tabIndex={0} role="region" aria-label="Branches as a table">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Layer</th>
            <th scope="col" className={table.number}>
              Scalar
            </th>
            {Array.from({ length: most }, (_, index) => (
              <th key={index} scope="col">
                Branch {index}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {modules.map(({ module, scalar, branches }) => (
            <tr key={module}>
              <th scope="row">{moduleText(module)}</th>
              <td className={table.number}>{scalar.toFixed(3)}</td>
              {Array.from({ length: most }, (_, index) => {
                const branch = branches.find((one) => one.index === index);
                const droppedAt = branch?.droppedAt ?? null;
                return (
                  <td key={index} className={cx(droppedAt !== null && table.dropped)}>
                    {droppedAt === null
                      ? branch?.strength.toPrecision(3)
                      : `dropped at ${droppedAt}${lossWords(droppedAt)}`}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
