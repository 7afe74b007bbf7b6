// The one page: the bar, what just happened, and the place that the address names. The other places wait
// behind it with what was typed and unfolded there.
import { Activity, Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { afterPaint } from '../state/after-paint.ts';
import { useVersion } from '../state/version-store.ts';
import styles from './App.module.css';
import { Bar } from './bar/Bar.tsx';
import { CrashGuard } from './CrashGuard.tsx';
import { DropOverlay } from './drop/DropOverlay.tsx';
import { ImagesPlace } from './images/ImagesPlace.tsx';
import { ModelCard } from './model/ModelCard.tsx';
import { Notices } from './Notices.tsx';
import { lazyPart } from './parts/lazy-part.tsx';
import { askedHash, followLinks, places, ShownHash, useAddress, useHash, type Place } from './place.ts';
import { useResplit } from './recipe/use-resplit.ts';
import { useForecastQuestion } from './run/Forecast.tsx';
import { useTidings } from './run/NotifyWhenDone.tsx';
import { TrainPlace } from './run/TrainPlace.tsx';
import { useLeaveWarning, useSaveWhenHidden, useWakeLock } from './use-leave-warning.ts';

// Loaded behind the rest: nothing of a first visit needs them.
const OtherModels = lazyPart(() => import('./model/OtherModels.tsx'));
const RunsCard = lazyPart(() => import('./runs/RunsCard.tsx'));
const TakeHomeCard = lazyPart(() => import('./result/TakeHomeCard.tsx'));
const UnderstandPlace = lazyPart(() => import('./understand/UnderstandPlace.tsx'));

/** The same elements for ever: a place is drawn anew by what it reads, not by who shows it. */
const content: Readonly<Record<Place, ReactNode>> = {
  images: <ImagesPlace />,
  model: (
    <div className={styles.two}>
      <ModelCard />
      <OtherModels />
    </div>
  ),
  train: <TrainPlace />,
  understand: <UnderstandPlace />,
  'take-home': (
    <div className={styles.two}>
      <TakeHomeCard />
      <RunsCard />
    </div>
  ),
};

export function App() {
  return (
    <Addressed>
      <Page />
    </Addressed>
  );
}

/**
 * The place follows its link by one frame. It is no deferred value: what a run tells ten times a second would begin
 * the drawing of such a place anew each time, until React loses patience after five seconds.
 */
function Addressed({ children }: { readonly children: ReactNode }) {
  const asked = useHash();
  const [shown, show] = useState(asked);
  useEffect(() => {
    const leaving = new AbortController();
    followLinks(leaving.signal);
    return () => leaving.abort();
  }, []);
  useEffect(() => {
    if (asked !== shown) afterPaint(() => show(askedHash()));
  }, [asked, shown]);
  return <ShownHash value={shown}>{children}</ShownHash>;
}

function Page() {
  const { place, view } = useAddress();
  const main = useRef<HTMLElement>(null);
  const offline = useVersion((state) => state.offline);
  useLeaveWarning();
  useSaveWhenHidden();
  useWakeLock();
  useForecastQuestion();
  useResplit();
  useTidings();
  useArrival(place, view, main);
  return (
    <div className={styles.page}>
      <Bar />
      <main className={styles.main} ref={main} tabIndex={-1}>
        <Notices />
        {places.map(({ id, title }) => (
          <Activity key={id} mode={id === place ? 'visible' : 'hidden'}>
            <section className={styles.place} aria-label={title} data-testid="place" data-place={id}>
              <CrashGuard>
                <Suspense fallback={null}>{content[id]}</Suspense>
              </CrashGuard>
            </section>
          </Activity>
        ))}
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

/** Whether it is in a part of the page that waits behind another. */
const isBehind = (element: Element | null): boolean =>
  element === null || element === document.body || element.closest('[style*="display: none"]') !== null;

/** A place is seen from its top; neither the focus nor an open dialogue stays in what is gone. */
function useArrival(place: Place, view: string | null, main: { readonly current: HTMLElement | null }): void {
  const left = useRef<Place | null>(null);
  useEffect(() => {
    const first = left.current === null;
    const isOther = left.current !== place;
    left.current = place;
    if (first) return;
    for (const dialog of document.querySelectorAll('dialog')) dialog.close();
    // Some browsers give a link that is tapped no focus: nothing is lost then.
    const nowhere = document.activeElement === document.body && !isOther;
    if (isOther) scrollTo({ top: 0 });
    if (isBehind(document.activeElement) && !nowhere) main.current?.focus({ preventScroll: true });
  }, [place, view, main]);
}
