// The one page: head, run, set-up and live view, in this order for readers and keyboards; the grid places
// them.
import { lazy, Suspense } from 'react';
import { useDevice } from '../state/device-store.ts';
import { useRun } from '../state/run-store.ts';
import { useVersion } from '../state/version-store.ts';
import styles from './App.module.css';
import { BranchCard } from './branches/BranchCard.tsx';
import { ChartsCard } from './charts/ChartsCard.tsx';
import { DropOverlay } from './drop/DropOverlay.tsx';
import { DropCard } from './drops/DropCard.tsx';
import { Header } from './header/Header.tsx';
import { NewVersion } from './header/NewVersion.tsx';
import { ImagesCard } from './images/ImagesCard.tsx';
import { ModelCard } from './model/ModelCard.tsx';
import { OtherModels } from './model/OtherModels.tsx';
import { FaultBox } from './parts/FaultBox.tsx';
import { Button } from './parts/Button.tsx';
import { RecipeCard } from './recipe/RecipeCard.tsx';
import { ResultCard } from './result/ResultCard.tsx';
import { RunCard } from './run/RunCard.tsx';
import { ScalarCard } from './scalars/ScalarCard.tsx';
import { useLeaveWarning, useSaveWhenHidden, useWakeLock } from './use-leave-warning.ts';

// Loaded behind the rest: nothing of a first visit needs them.
const ContinueRun = lazy(() => import('./runs/ContinueRun.tsx'));
const RunsCard = lazy(() => import('./runs/RunsCard.tsx'));
const TryCard = lazy(() => import('./try/TryCard.tsx'));
const UnderstandCard = lazy(() => import('./understand/UnderstandCard.tsx'));
const BranchesCard = lazy(() => import('./understand/BranchesCard.tsx'));
const LookCard = lazy(() => import('./understand/LookCard.tsx'));

export function App() {
  const fault = useDevice((state) => state.fault);
  const finished = useRun((state) => state.phase.kind === 'finished');
  const offline = useVersion((state) => state.offline);
  useLeaveWarning();
  useSaveWhenHidden();
  useWakeLock();
  return (
    <div className={styles.page}>
      <Header />
      <NewVersion />
      {fault !== null && (
        <div className={styles.fault}>
          <FaultBox fault={fault}>
            <Button onClick={() => location.reload()}>Reload the page</Button>
          </FaultBox>
        </div>
      )}
      <main className={styles.main}>
        <div className={styles.run}>
          <Suspense fallback={null}>
            <ContinueRun />
          </Suspense>
          <RunCard />
          <ResultCard />
          {finished && (
            <Suspense fallback={null}>
              <TryCard />
              <UnderstandCard />
              <LookCard />
            </Suspense>
          )}
          {finished && (
            <Suspense fallback={null}>
              <BranchesCard />
            </Suspense>
          )}
        </div>
        <div className={styles.setup}>
          <ModelCard />
          <ImagesCard />
        </div>
        <div className={styles.live}>
          <RecipeCard />
          <BranchCard />
          <ChartsCard />
          <ScalarCard />
          <DropCard />
          <OtherModels />
          <Suspense fallback={null}>
            <RunsCard />
          </Suspense>
        </div>
      </main>
      <footer className={styles.footer}>
        <p>
          Images stay on this machine, and weights too unless you push them: everything is read, trained and
          written in this page. The method is DMLoRA (ECCV 2024), re-specified from its abstract.
          {offline && <span data-testid="offline"> This page opens without a network too.</span>}
        </p>
      </footer>
      <DropOverlay />
    </div>
  );
}
