// Where the app starts: the worker, the trainer, the theme, the page. Knows nothing of training.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { makeHand } from './shared/hand.ts';
import { fetchJson } from './state/bundled.ts';
import { holdReports } from './state/held-reports.ts';
import { browserTabs } from './state/other-tabs.ts';
import { watchHand } from './state/page-hand.ts';
import { startTheme } from './state/theme-store.ts';
import { createTrainer } from './state/trainer.ts';
import { watchVersion } from './state/version-store.ts';
import { App } from './ui/App.tsx';
import { CrashGuard, tellUncaught } from './ui/CrashGuard.tsx';
import './ui/theme.css';
import { TrainerContext } from './ui/trainer-context.ts';
import { startClient } from './worker/client.ts';

declare const __BUILD__: string;

const makeWorker = (): Worker =>
  new Worker(new URL('./worker/trainer.worker.ts', import.meta.url), { type: 'module' });

const hand = makeHand();
if (hand !== null) watchHand(hand, document);
const trainer = createTrainer({
  connect: (onEvent) => startClient(makeWorker, holdReports(document, onEvent)),
  fetchJson,
  locate: (path) => new URL(path, document.baseURI).href,
  build: __BUILD__,
  // Asynchronous also where there is no storage to ask about, which throws at once.
  persist: async () => navigator.storage.persist(),
  tabs: browserTabs(),
  hand,
});

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element #root');
startTheme();
tellUncaught(window);
createRoot(root).render(
  <StrictMode>
    <TrainerContext value={trainer}>
      <CrashGuard page>
        <App />
      </CrashGuard>
    </TrainerContext>
  </StrictMode>,
);
const opened = trainer.open();

/** At the first visit, what the page opens goes before what later visits need. */
async function keepVersion(container: ServiceWorkerContainer): Promise<void> {
  if (container.controller === null) await opened;
  await watchVersion(container, './sw.js', () => location.reload());
}

// The development server changes its files as they are edited: nothing of them is kept.
if (import.meta.env.PROD && 'serviceWorker' in navigator) void keepVersion(navigator.serviceWorker);
