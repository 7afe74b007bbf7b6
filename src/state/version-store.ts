// Which build the page runs and whether another is there: what the service worker says, and the change to a newer
// build, which only a person starts. A reload by itself would lose what is open. Knows nothing of training.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';

interface VersionState {
  /** All files are kept: the page opens without a network. */
  readonly offline: boolean;
  /** A newer build: none, here and waiting, or waiting because other pages of this one are open. */
  readonly newer: 'none' | 'waiting' | 'others-open';
}

export const versionStore = createStore<VersionState>(() => ({ offline: false, newer: 'none' }));

export function useVersion<T>(selector: (state: VersionState) => T): T {
  return useStore(versionStore, selector);
}

/** An installed app may stay open for days. */
const lookAgainMs = 60 * 60_000;

let ask = (): void => undefined;

/**
 * Has the build's files kept, and watches for a newer build.
 *
 * @param container the browser's service workers.
 * @param script address of the service worker.
 * @param reload loads the page anew; called only after `takeNewer`.
 */
export async function watchVersion(
  container: ServiceWorkerContainer,
  script: string,
  reload: () => void,
): Promise<void> {
  let registration: ServiceWorkerRegistration;
  try {
    // The script is looked up on the host each time, not in the browser's cache.
    registration = await container.register(script, { updateViaCache: 'none' });
    registration.addEventListener('updatefound', follow);
  } catch {
    // Private windows and some settings refuse it: the page works, with a network.
    return;
  }

  /** The newer build that waits; none at the first visit, where nothing is active yet. */
  const waiting = (): ServiceWorker | null => (registration.active === null ? null : registration.waiting);

  function look(): void {
    const { newer } = versionStore.getState();
    versionStore.setState({
      offline: registration.active !== null,
      newer: waiting() === null ? 'none' : newer === 'none' ? 'waiting' : newer,
    });
  }

  function follow(): void {
    registration.installing?.addEventListener('statechange', look);
  }

  ask = () => {
    const { port1, port2 } = new MessageChannel();
    container.addEventListener('controllerchange', reload);
    port1.onmessage = ({ data }: MessageEvent<unknown>) => {
      port1.close();
      if (data === true) return;
      container.removeEventListener('controllerchange', reload);
      versionStore.setState({ newer: 'others-open' });
    };
    waiting()?.postMessage(null, [port2]);
  };

  look();
  follow();
  setInterval(() => void registration.update().catch(() => undefined), lookAgainMs);
}

/** Changes to the newer build and reloads, where no other page is open. */
export function takeNewer(): void {
  ask();
}
