// What the result of the ended run knows: one view at a time, each with its address. A view is loaded when it
// is looked at first, and keeps what was asked there. A model can be tried, and saved
// runs and recipes compared, without an ended run.
import { Activity, Suspense, useState, type ComponentType } from 'react';
import { useRun } from '../../state/run-store.ts';
import { CrashGuard } from '../CrashGuard.tsx';
import { Card } from '../parts/Card.tsx';
import { lazyPart } from '../parts/lazy-part.tsx';
import { Views } from '../parts/Views.tsx';
import { addressOf, useAddress } from '../place.ts';

interface View {
  readonly id: string;
  readonly title: string;
  readonly content: ComponentType;
}

/** The views that need no ended run. */
const tryIt = 'try';
const compare = 'compare';
const recipes = 'recipes';

const views: readonly [View, ...View[]] = [
  { id: 'mistakes', title: 'What it gets wrong', content: lazyPart(() => import('./UnderstandCard.tsx')) },
  { id: 'branches', title: 'What each branch is for', content: lazyPart(() => import('./BranchesCard.tsx')) },
  { id: 'looks', title: 'Where it looks', content: lazyPart(() => import('./LookCard.tsx')) },
  { id: tryIt, title: 'Try it', content: lazyPart(() => import('../try/TryCard.tsx')) },
  { id: compare, title: 'Compare runs', content: lazyPart(() => import('../compare/CompareCard.tsx')) },
  { id: recipes, title: 'Compare recipes', content: lazyPart(() => import('../lab/LabCard.tsx')) },
];

function NothingYet() {
  return (
    <Card title="Nothing is learned yet">
      <p>
        When a run has ended, this place shows which images the model gets wrong, how sure it is, what its
        branches are for and where it looks. <a href={addressOf('images')}>Choose images</a>, or go to{' '}
        <a href={addressOf('train')}>Train</a> and press Start.
      </p>
      <p>
        <a href={addressOf('understand', tryIt)}>Try it</a> on other images from the first evaluation of a run
        on, while it trains; or try a model that was saved or exported earlier.
      </p>
    </Card>
  );
}

export default function UnderstandPlace() {
  const finished = useRun(({ phase, result }) => phase.kind === 'finished' && result !== null);
  const { place, view } = useAddress();
  const [last, setLast] = useState(views[0].id);
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const wanted = views.find(({ id }) => id === view)?.id ?? last;
  if (place === 'understand' && (wanted !== last || !seen.has(wanted))) {
    setLast(wanted);
    setSeen(new Set([...seen, wanted]));
  }
  return (
    <>
      <Views label="Views of the result" place="understand" views={views} wanted={wanted} />
      {views
        .filter(({ id }) => seen.has(id))
        .map(({ id, content: Content }) => (
          <Activity key={id} mode={id === wanted ? 'visible' : 'hidden'}>
            <CrashGuard>
              <Suspense fallback={null}>
                {finished || [tryIt, compare, recipes].includes(id) ? <Content /> : <NothingYet />}
              </Suspense>
            </CrashGuard>
          </Activity>
        ))}
    </>
  );
}
