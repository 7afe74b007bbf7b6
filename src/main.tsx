// Where the app starts: the worker, the trainer, the theme, the page. Knows nothing of training.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { fetchJson } from './state/bundled.ts';
import { browserTabs } from './state/other-tabs.ts';
import { startTheme } from './state/theme-store.ts';
import { createTrainer } from './state/trainer.ts';
import { App } from './ui/App.tsx';
import { CrashGuard, tellUncaught } from './ui/CrashGuard.tsx';
import './ui/theme.css';
import { TrainerContext } from './ui/trainer-context.ts';
import { startClient } from './worker/client.ts';

declare const __BUILD__: string;

const makeWorker = (): Worker =>
  new Worker(new URL('./worker/trainer.worker.ts', import.meta.url), { type: 'module' });

const trainer = createTrainer({
  connect: (onEvent) => startClient(makeWorker, onEvent),
  fetchJson,
  locate: (path) => new URL(path, document.baseURI).href,
  build: __BUILD__,
  persist: () => navigator.storage.persist(),
  tabs: browserTabs(),
});

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element #root');
startTheme();
tellUncaught(window);
createRoot(root).render(
  <StrictMode>
    <TrainerContext value={trainer}>
      <CrashGuard>
        <App />
      </CrashGuard>
    </TrainerContext>
  </StrictMode>,
);
void trainer.open();
