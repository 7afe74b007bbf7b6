// What the page says of builds, with service workers that a test moves through their lives.
import { beforeEach, expect, test, vi } from 'vitest';
import { takeNewer, versionStore, watchVersion } from './version-store.ts';

/** A service worker whose state a test sets; it answers a request to take over by `alone`. */
class FakeWorker extends EventTarget {
  alone = true;
  asked = 0;
  constructor(private readonly activated: () => void = () => undefined) {
    super();
  }
  moved(): void {
    this.dispatchEvent(new Event('statechange'));
  }
  postMessage(_message: unknown, [answer]: [MessagePort]): void {
    this.asked++;
    answer.postMessage(this.alone);
    if (this.alone) this.activated();
  }
}

class FakeRegistration extends EventTarget {
  active: FakeWorker | null = null;
  waiting: FakeWorker | null = null;
  installing: FakeWorker | null = null;
}

/** A browser's service workers with one registration, or one that refuses. */
function browser(registration: FakeRegistration | null) {
  const container = new EventTarget();
  const register = vi.fn(() =>
    registration === null
      ? Promise.reject(new DOMException('The operation is insecure.', 'SecurityError'))
      : Promise.resolve(registration),
  );
  return Object.assign(container, { register }) as unknown as ServiceWorkerContainer;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  versionStore.setState({ offline: false, newer: 'none' });
});

test('the first visit: kept once its worker is active, and no newer build', async () => {
  const registration = new FakeRegistration();
  const worker = new FakeWorker();
  registration.installing = worker;
  await watchVersion(browser(registration), './sw.js', vi.fn());
  expect(versionStore.getState()).toEqual({ offline: false, newer: 'none' });
  [registration.installing, registration.waiting] = [null, worker];
  worker.moved();
  expect(versionStore.getState()).toEqual({ offline: false, newer: 'none' });
  [registration.waiting, registration.active] = [null, worker];
  worker.moved();
  expect(versionStore.getState()).toEqual({ offline: true, newer: 'none' });
});

test('a newer build is told, and loaded only when it is asked for and has taken over', async () => {
  const registration = new FakeRegistration();
  registration.active = new FakeWorker();
  const container = browser(registration);
  const reload = vi.fn();
  await watchVersion(container, './sw.js', reload);
  const newer = new FakeWorker(() => container.dispatchEvent(new Event('controllerchange')));
  registration.installing = newer;
  registration.dispatchEvent(new Event('updatefound'));
  expect(versionStore.getState().newer).toBe('none');
  [registration.installing, registration.waiting] = [null, newer];
  newer.moved();
  expect(versionStore.getState()).toEqual({ offline: true, newer: 'waiting' });
  // Another page may have let it take over: this one stays as it is.
  container.dispatchEvent(new Event('controllerchange'));
  expect(reload).not.toHaveBeenCalled();
  takeNewer();
  await vi.waitFor(() => expect(reload).toHaveBeenCalledOnce());
});

test('with other pages open nothing changes, and the page says why', async () => {
  const registration = new FakeRegistration();
  [registration.active, registration.waiting] = [new FakeWorker(), new FakeWorker()];
  registration.waiting.alone = false;
  const container = browser(registration);
  const reload = vi.fn();
  await watchVersion(container, './sw.js', reload);
  expect(versionStore.getState().newer).toBe('waiting');
  takeNewer();
  await vi.waitFor(() => expect(versionStore.getState().newer).toBe('others-open'));
  container.dispatchEvent(new Event('controllerchange'));
  expect(reload).not.toHaveBeenCalled();
});

test('a browser that refuses service workers has a page all the same', async () => {
  await watchVersion(browser(null), './sw.js', vi.fn());
  expect(versionStore.getState()).toEqual({ offline: false, newer: 'none' });
});
