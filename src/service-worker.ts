// The service worker: keeps all files of one build, so that the app opens and trains without a network, and
// answers with files of that build alone. A newer build is fetched beside it and waits until no page of the old
// one is open, or until the only one says so. Which files, and the headers that they are served with, stands in
// the line that scripts/offline.mjs writes before this script. Knows nothing of training.
import { addPlugins, precacheAndRoute } from 'workbox-precaching';

interface Build {
  readonly files: readonly { readonly url: string; readonly revision: string; readonly integrity: string }[];
  readonly headers: Readonly<Record<string, string>>;
}

declare const self: ServiceWorkerGlobalScope & { readonly graftBuild: Build };

const { files, headers } = self.graftBuild;

/** A response as the host should have sent it: a static host may know nothing of a content security policy. */
function withHeaders(response: Response): Response {
  const all = new Headers(response.headers);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers: all });
}

addPlugins([
  {
    // What the page has just loaded is asked for again only by its date; the digest decides what is taken.
    requestWillFetch: ({ request }) => Promise.resolve(new Request(request, { cache: 'no-cache' })),
    cacheWillUpdate: ({ response }) => Promise.resolve(response.ok ? withHeaders(response) : null),
  },
]);
precacheAndRoute([...files], { ignoreURLParametersMatching: [/./] });

// The first visit's page too has its files from here on.
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

/** Pages of this app, in whatever state; pages of others may share the origin. */
async function openPages(): Promise<number> {
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  return pages.filter(({ url }) => url.startsWith(self.registration.scope)).length;
}

/** Takes over and says so, unless another page would be left with files that are gone. */
async function takeOver(answer: MessagePort | undefined): Promise<void> {
  const alone = (await openPages()) === 1;
  answer?.postMessage(alone);
  if (alone) await self.skipWaiting();
}

// The only message there is: a page asks this version to take over.
self.addEventListener('message', (event) => event.waitUntil(takeOver(event.ports[0])));
