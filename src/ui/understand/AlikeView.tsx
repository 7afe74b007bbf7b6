// Whether the branches of a layer learned different things, in how many directions its update works, and whether
// those that were dropped were the ones that others could do without.
import { useMemo } from 'react';
import { Button } from '../parts/Button.tsx';
import { csvOf } from '../parts/csv.ts';
import { download } from '../parts/download.ts';
import table from '../parts/Table.module.css';
import { countText, moduleText, wholeText } from '../parts/words.ts';
import type { BranchFigures, DroppedFigures, DropRecord } from '../../worker/protocol.ts';
import { RankView } from './RankView.tsx';
import shared from './Understand.module.css';

const meanOf = (values: readonly number[]): number => {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length === 0 ? NaN : known.reduce((a, b) => a + b, 0) / known.length;
};

const text = (value: number, digits = 2): string => (Number.isNaN(value) ? 'none' : value.toFixed(digits));

/** What a mean |cosine| of nearest branches says. */
const verdict = (closeness: number): string =>
  closeness < 0.3
    ? 'they learned different things'
    : closeness < 0.7
      ? 'they overlap in part'
      : 'they learned much the same';

interface AlikeViewProps {
  readonly figures: BranchFigures;
  /** All drops of the run; those before it was saved in the first form of a checkpoint have no figures. */
  readonly drops: readonly Pick<DropRecord, 'step'>[];
}

export function AlikeView({ figures: { modules, dropped }, drops }: AlikeViewProps) {
  const all = modules.flatMap(({ branches }) => branches);
  const closeness = meanOf(all.map((branch) => branch.closeness));
  const events = useMemo(() => eventsOf(drops, dropped), [drops, dropped]);
  return (
    <section className={shared.part} aria-labelledby="alike-title">
      <div className={shared.bar}>
        <h3 id="alike-title" className={shared.subtitle}>
          How alike branches are
        </h3>
        <Button variant="quiet" icon="download" onClick={() => download(figuresCsv(modules), 'branches.csv')}>
          Branches as CSV
        </Button>
      </div>
      <p>
        {Number.isNaN(closeness)
          ? 'No layer has two branches that add something: there is nothing to compare. '
          : `The nearest two branches of a layer have a cosine of ${text(closeness)} on average: ${verdict(closeness)}. `}
        <span className={shared.soft}>
          The cosine compares what two branches add to the weight: 1 is the same, 0 unrelated, −1 opposite;
          here without its sign. The effective rank says in how many directions a layer’s sum works: as many
          as it has singular values, if they are equal, and fewer the less equal they are (Roy and Vetterli
          2007: e to the entropy of their shares).
        </span>
      </p>
      <details className={shared.more}>
        <summary>Layer by layer</summary>
        <div className={table.scroll} tabIndex={0} role="region" aria-label="Branches of each layer">
          <table className={table.table} data-testid="alike">
            <thead>
              <tr>
                <th scope="col">Layer</th>
                <th scope="col" className={table.number}>
                  Branches
                </th>
                <th scope="col" className={table.number}>
                  Nearest two
                </th>
                <th scope="col" className={table.number}>
                  Effective rank
                </th>
                <th scope="col" className={table.number}>
                  One branch’s
                </th>
              </tr>
            </thead>
            <tbody>
              {modules.map(({ module, branches, rank, mostRank }) => (
                <tr key={module}>
                  <th scope="row">{moduleText(module)}</th>
                  <td className={table.number}>{branches.length}</td>
                  <td className={table.number}>{text(nearest(branches))}</td>
                  <td className={table.number}>
                    {text(rank, 1)} of {mostRank}
                  </td>
                  <td className={table.number}>{text(meanOf(branches.map((one) => one.rank)), 1)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
      <RankView />
      {events.length > 0 && (
        <>
          <h4 className={shared.subtitle}>What the drops took</h4>
          <p>
            {dropWords(drops.length, dropped)}{' '}
            <span className={shared.soft}>
              Means over the layers, measured when the branches left: the nearest other branch of those that
              left, of all branches then, and the effective rank just before and just after.
            </span>
          </p>
          <div className={table.scroll} tabIndex={0} role="region" aria-label="Drops">
            <table className={table.table} data-testid="drop-figures">
              <thead>
                <tr>
                  <th scope="col">At step</th>
                  {['Branches left', 'Their nearest', 'Of all', 'Rank before', 'Rank after'].map((label) => (
                    <th key={label} scope="col" className={table.number}>
                      {label}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {events.map((event) => (
                  <tr key={event.step}>
                    <th scope="row">{event.step}</th>
                    <td className={table.number}>{event.branches}</td>
                    {event.isKnown ? (
                      <>
                        <td className={table.number}>{text(event.closeness)}</td>
                        <td className={table.number}>{text(event.closenessOfAll)}</td>
                        <td className={table.number}>{text(event.rankBefore, 1)}</td>
                        <td className={table.number}>{text(event.rankAfter, 1)}</td>
                      </>
                    ) : (
                      <td className={table.number} colSpan={4}>
                        not kept
                      </td>
                    )}
                  </tr>
                ))}
                <tr>
                  <th scope="row">At the end</th>
                  <td className={table.number} />
                  <td className={table.number} />
                  <td className={table.number}>{text(closeness)}</td>
                  <td className={table.number} colSpan={2}>
                    {text(meanOf(modules.map(({ rank }) => rank)), 1)}
                  </td>
                </tr>
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

const nearest = (branches: BranchFigures['modules'][number]['branches']): number => {
  const known = branches.map(({ closeness }) => closeness).filter((value) => !Number.isNaN(value));
  return known.length === 0 ? NaN : Math.max(...known);
};

type DropEventFigures = Pick<
  DroppedFigures,
  'step' | 'closeness' | 'closenessOfAll' | 'rankBefore' | 'rankAfter'
> & {
  readonly branches: number;
  /** Whether anything was kept of the branches that left. */
  readonly isKnown: boolean;
};

/** The means of each event, in the order of the steps. */
function eventsOf(drops: AlikeViewProps['drops'], dropped: readonly DroppedFigures[]): DropEventFigures[] {
  return [...new Set(drops.map(({ step }) => step))].map((step) => {
    const those = dropped.filter((one) => one.step === step);
    const mean = (key: 'closeness' | 'closenessOfAll' | 'rankBefore' | 'rankAfter'): number =>
      meanOf(those.map((one) => one[key]));
    return {
      ...{
        step,
        branches: drops.filter((one) => one.step === step).length,
        isKnown: those.length > 0,
        closeness: mean('closeness'),
        closenessOfAll: mean('closenessOfAll'),
      },
      ...{ rankBefore: mean('rankBefore'), rankAfter: mean('rankAfter') },
    };
  });
}

/** Whether the drops took what others had too. A tenth more or less is no difference here. */
function dropWords(all: number, dropped: readonly DroppedFigures[]): string {
  const own = meanOf(dropped.map(({ closeness }) => closeness));
  const ofAll = meanOf(dropped.map(({ closenessOfAll }) => closenessOfAll));
  const unknown = all - dropped.length;
  const missing =
    unknown === 0
      ? ''
      : ` Of ${unknown === all ? 'them' : wholeText(unknown)} nothing was kept: what they learned faded, lives on in the others or in the frozen weights, or left before this was noted.`;
  const lead = `${countText(all, 'branch', 'branches')} dropped.${missing}`;
  if (Number.isNaN(own) || Number.isNaN(ofAll)) return lead;
  const than =
    own > 1.1 * ofAll
      ? 'more like another branch than'
      : own < 0.9 * ofAll
        ? 'less like another than'
        : 'as like another as';
  return `${lead} ${unknown === 0 ? 'They' : 'The others'} were ${than} the branches of their layers on average (${text(own)} and ${text(ofAll)}): the drops ${
    own > 1.1 * ofAll ? 'took' : 'did not single out'
  } the redundant ones.`;
}

function figuresCsv(modules: BranchFigures['modules']): Blob {
  const most = Math.max(0, ...modules.flatMap(({ branches }) => branches.map(({ branch }) => branch + 1)));
  const fields = [
    ...['module', 'module rank', 'branch', 'strength', 'rank', 'nearest'],
    ...Array.from({ length: most }, (_, k) => `cosine to ${k}`),
  ];
  const number = (value: number | undefined): number | string =>
    value === undefined || Number.isNaN(value) ? '' : value;
  return csvOf(
    fields,
    modules.flatMap(({ module, rank, branches }) =>
      branches.map((one) => [
        ...[module, rank, one.branch, one.strength, one.rank, number(one.closeness)],
        ...Array.from({ length: most }, (_, k) =>
          number(one.cosines[branches.findIndex(({ branch }) => branch === k)]),
        ),
      ]),
    ),
  );
}
