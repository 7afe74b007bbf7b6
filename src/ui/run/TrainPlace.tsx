// Where a run is prepared, watched and ends: before it the recipe beside what will grow, from then on the
// curves beside the branches. On a narrow page one part at a time, each with its address.
import { Suspense } from 'react';
import { useRun } from '../../state/run-store.ts';
import { BranchCard } from '../branches/BranchCard.tsx';
import { ChartsCard } from '../charts/ChartsCard.tsx';
import { DropCard } from '../drops/DropCard.tsx';
import { lazyPart } from '../parts/lazy-part.tsx';
import { Views } from '../parts/Views.tsx';
import { useAddress } from '../place.ts';
import { RecipeCard } from '../recipe/RecipeCard.tsx';
import { StepViewCard } from '../recipe/StepViewCard.tsx';
import { ResultCard } from '../result/ResultCard.tsx';
import { ScalarCard } from '../scalars/ScalarCard.tsx';
import { drawsDrops, drawsScalars, useDrawsBranches } from './drawn-parts.ts';
import { RunCard } from './RunCard.tsx';
import styles from './TrainPlace.module.css';

const QueueCard = lazyPart(() => import('../queue/QueueCard.tsx'));

const parts = [
  { id: 'curves', title: 'Curves' },
  { id: 'branches', title: 'Branches' },
  { id: 'scalars', title: 'Scalars' },
  { id: 'drops', title: 'Drops' },
  { id: 'recipe', title: 'Recipe' },
  { id: 'folds', title: 'By folds' },
] as const;
type Part = (typeof parts)[number]['id'];

export function TrainPlace() {
  const { place, view } = useAddress();
  const isBefore = useRun(({ phase, evaluations }) => phase.kind === 'idle' && evaluations.length === 0);
  const drawn: Readonly<Record<Part, boolean>> = {
    curves: !isBefore,
    branches: useDrawsBranches(),
    scalars: useRun(drawsScalars),
    drops: useRun(drawsDrops),
    recipe: true,
    folds: true,
  };
  const offered = parts.filter(({ id }) => drawn[id]);
  const first = isBefore ? 'recipe' : 'curves';
  const wanted = place === 'train' ? (offered.find(({ id }) => id === view)?.id ?? first) : first;
  const part = (id: Part) => ({ className: styles.part, 'data-shown': id === wanted });
  const recipe = (
    <div {...part('recipe')}>
      <RecipeCard />
      <StepViewCard />
    </div>
  );
  return (
    <>
      <div className={styles.two}>
        <ResultCard />
        <RunCard />
      </div>
      <div className={styles.views}>
        <Views label="Parts of the run" place="train" views={offered} wanted={wanted} />
      </div>
      <div className={isBefore ? styles.before : styles.two}>
        {isBefore ? (
          recipe
        ) : (
          <div {...part('curves')}>
            <ChartsCard />
          </div>
        )}
        <div {...part('branches')}>
          <BranchCard />
        </div>
        <div {...part('scalars')}>
          <ScalarCard />
        </div>
        <div {...part('drops')}>
          <DropCard />
        </div>
      </div>
      {!isBefore && recipe}
      <div {...part('folds')}>
        <Suspense fallback={null}>
          <QueueCard />
        </Suspense>
      </div>
    </>
  );
}
