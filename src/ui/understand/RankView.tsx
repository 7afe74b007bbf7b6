// How many directions the update of each layer works in, over the run: a small picture for each kind of layer,
// a faint line for each block, their mean in bold, and where branches dropped.
import { useMemo } from 'react';
import { useRun, type BranchMoment } from '../../state/run-store.ts';
import { Button } from '../parts/Button.tsx';
import { csvOf } from '../parts/csv.ts';
import { download } from '../parts/download.ts';
import { moduleName } from '../parts/words.ts';
import styles from './RankView.module.css';
import shared from './Understand.module.css';

interface Kind {
  readonly linear: string;
  readonly words: string;
  /** For each block the rank at each moment. */
  readonly blocks: readonly (readonly number[])[];
  readonly mean: readonly number[];
}

/** The layers by their kind, in the order of the forward pass. */
function kindsOf(ranked: readonly BranchMoment[]): Kind[] {
  const [first] = ranked;
  if (first === undefined) return [];
  const names = first.modules.map(({ module }) => moduleName(module));
  const words = new Map(names.map((name) => [name.linear, name.words]));
  return [...words].map(([linear, title]) => {
    const places = [...names.keys()].filter((m) => names[m]?.linear === linear);
    const blocks = places.map((m) => ranked.map(({ modules }) => modules[m]?.rank ?? NaN));
    const mean = ranked.map((_, i) => {
      const known = blocks.map((ranks) => ranks[i] ?? NaN).filter((rank) => !Number.isNaN(rank));
      return known.reduce((a, b) => a + b, 0) / known.length;
    });
    return { linear, words: title, blocks, mean };
  });
}

const [width, height] = [200, 84];

export function RankView() {
  const ranked = useRun((state) => state.ranked);
  const drops = useRun((state) => state.drops);
  const kinds = useMemo(() => kindsOf(ranked), [ranked]);
  const events = useMemo(() => [...new Set(drops.map(({ step }) => step))], [drops]);
  const last = ranked.at(-1)?.step ?? 0;
  if (ranked.length < 2)
    return (
      <p className={shared.soft}>
        How the ranks went through the run is not known: they are measured at each validation while it trains,
        where the branches are not too many for that. Runs that were saved by an older Graft have none.
      </p>
    );
  const most = Math.max(1, ...kinds.flatMap(({ blocks }) => blocks.flat().filter((rank) => rank > 0)));
  const x = (step: number): number => (step / Math.max(1, last)) * width;
  const y = (rank: number): number => height - 2 - (rank / most) * (height - 6);
  const line = (ranks: readonly number[]): string =>
    ranks
      .flatMap((rank, i) =>
        Number.isNaN(rank) ? [] : [`${x(ranked[i]?.step ?? 0).toFixed(1)} ${y(rank).toFixed(1)}`],
      )
      .map((point, i) => `${i === 0 ? 'M' : 'L'}${point}`)
      .join('');
  return (
    <>
      <div className={shared.bar}>
        <h4 className={shared.subtitle}>Effective rank over the run</h4>
        <Button
          variant="quiet"
          icon="download"
          onClick={() => download(ranksCsv(ranked), 'effective-ranks.csv')}
        >
          Ranks as CSV
        </Button>
      </div>
      <p className={shared.soft}>
        Measured at each validation, from 0 to {most.toFixed(1)} in each picture: a faint line for each block,
        their mean in bold. Where branches drop stands a dashed line: a mean that does not fall there lost
        nothing that others did not have.
      </p>
      <ul className={styles.kinds} data-testid="ranks">
        {kinds.map(({ linear, words, blocks, mean }) => {
          const [from = NaN, to = NaN] = [mean.find((rank) => rank > 0), mean.at(-1)];
          return (
            <li key={linear}>
              <span className={styles.title}>
                {words}: {from.toFixed(1)} → {to.toFixed(1)}
              </span>
              <svg
                viewBox={`0 0 ${width} ${height}`}
                preserveAspectRatio="none"
                role="img"
                aria-label={`Effective rank of ${words}, mean of ${blocks.length} blocks: first ${from.toFixed(1)}, ${to.toFixed(1)} after step ${last}, at most ${Math.max(...mean.filter((rank) => rank >= 0)).toFixed(1)}.`}
              >
                {events.map((step) => (
                  <line key={step} className={styles.drop} x1={x(step)} x2={x(step)} y1="0" y2={height} />
                ))}
                {blocks.map((ranks, block) => (
                  <path key={block} className={styles.block} d={line(ranks)} />
                ))}
                <path className={styles.mean} d={line(mean)} />
              </svg>
            </li>
          );
        })}
      </ul>
    </>
  );
}

/** A row for each layer at each moment. */
function ranksCsv(ranked: readonly BranchMoment[]): Blob {
  return csvOf(
    ['step', 'module', 'effective rank', 'live branches'],
    ranked.flatMap(({ step, modules }) =>
      modules.map(({ module, rank, branches }) => [
        ...[step, module, rank ?? ''],
        branches.filter(({ droppedAt }) => droppedAt === null).length,
      ]),
    ),
  );
}
