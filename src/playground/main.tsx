// A page for whoever changes Graft, with `npm run dev` only: one kernel, or the whole app in any of its
// phases on the client without a worker (?phase=paused). Not in the build: vite.config.ts names its pages.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { startTheme } from '../state/theme-store.ts';
import { appPhases, openPhase } from '../state/testing/app-phases.ts';
import { App } from '../ui/App.tsx';
import '../ui/theme.css';
import { TrainerContext } from '../ui/trainer-context.ts';
import { KernelPanel } from './KernelPanel.tsx';
import styles from './Playground.module.css';

const asked = new URLSearchParams(location.search).get('phase');
const phase = appPhases.find(({ name }) => name === asked)?.name;

/** Another choice is another page: every store starts empty. */
function go(name: string): void {
  location.search = name === '' ? '' : `?phase=${encodeURIComponent(name)}`;
}

function Bar() {
  return (
    <nav className={styles.bar} aria-label="Playground">
      <label>
        Playground:{' '}
        <select value={phase ?? ''} onChange={({ currentTarget }) => go(currentTarget.value)}>
          <option value="">one kernel</option>
          {appPhases.map(({ name }) => (
            <option key={name} value={name}>
              the app: {name}
            </option>
          ))}
        </select>
      </label>
      {asked !== null && phase === undefined && <p>There is no phase “{asked}”: choose one of the list.</p>}
    </nav>
  );
}

async function start(): Promise<void> {
  const root = document.getElementById('root');
  if (root === null) throw new Error('playground.html has no element #root');
  startTheme();
  // No run is lost here: the app's question before leaving, which is heard after this, is not asked.
  window.addEventListener('beforeunload', (event) => event.stopImmediatePropagation());
  const opened = phase === undefined ? null : await openPhase(phase);
  createRoot(root).render(
    <StrictMode>
      <Bar />
      {opened === null ? (
        <KernelPanel />
      ) : (
        <TrainerContext value={opened.trainer}>
          <App />
        </TrainerContext>
      )}
    </StrictMode>,
  );
}

void start();
