// The five places of the app and their addresses ("#/understand/try"): which one is shown, and how to get to
// another. The address is the only state, so that back, forward and links work.
import { createContext, use, useSyncExternalStore } from 'react';
import { afterPaint } from '../state/after-paint.ts';

export const places = [
  { id: 'images', title: 'Images' },
  { id: 'model', title: 'Model' },
  { id: 'train', title: 'Train' },
  { id: 'understand', title: 'Understand' },
  { id: 'take-home', title: 'Take home' },
] as const;
export type Place = (typeof places)[number]['id'];

/** A place, and what of it is looked at where it has several views. */
export interface Address {
  readonly place: Place;
  readonly view: string | null;
}

/** Images for an address that names no place. */
export function readAddress(hash: string): Address {
  const [name, view = ''] = hash.replace(/^#\/?/, '').split('/');
  const place = places.find(({ id }) => id === name);
  return place === undefined
    ? { place: 'images', view: null }
    : { place: place.id, view: view === '' ? null : view };
}

export const addressOf = (place: Place, view?: string): string =>
  `#/${place}${view === undefined ? '' : `/${view}`}`;

/** Shows a place; one that is shown already, from its top. */
export function goTo(place: Place, view?: string): void {
  const address = addressOf(place, view);
  if (askedHash() === address) scrollTo({ top: 0 });
  else ask(address);
}

/** What is asked for and does not stand in the browser's address yet, which was another one then. */
let asking: { readonly from: string; readonly to: string } | null = null;
const listeners = new Set<() => void>();

/**
 * Writing the address takes the browser longer than everything that a click on a link asks of the page, so that it
 * comes after the answer is painted.
 */
function ask(address: string): void {
  asking = { from: location.hash, to: address };
  for (const listener of listeners) listener();
  afterPaint(() => {
    const asked = askedHash();
    asking = null;
    if (asked !== location.hash) history.pushState(null, '', asked);
  });
}

/** Follows plain clicks on links to places, until the signal aborts; other tabs and windows are the browser's. */
export function followLinks(signal: AbortSignal): void {
  const follow = (event: MouseEvent): void => {
    const { target, button, defaultPrevented, metaKey, ctrlKey, shiftKey, altKey } = event;
    if (defaultPrevented || button !== 0 || metaKey || ctrlKey || shiftKey || altKey) return;
    const link = target instanceof Element ? target.closest('a') : null;
    const address = link?.getAttribute('href') ?? '';
    if (!address.startsWith('#/')) return;
    event.preventDefault();
    if (address !== askedHash()) ask(address);
  };
  document.addEventListener('click', follow, { signal });
}

/** The address that is asked for; what the browser went to since, by its back or by hand, is newer. */
export const askedHash = (): string =>
  asking !== null && asking.from === location.hash ? asking.to : location.hash;

export const useHash = (): string => useSyncExternalStore(subscribe, askedHash);

function subscribe(onChange: () => void): () => void {
  listeners.add(onChange);
  addEventListener('hashchange', onChange);
  return () => {
    listeners.delete(onChange);
    removeEventListener('hashchange', onChange);
  };
}

/** The address as it stands: what was asked for. Its link shows that at once. */
export function useAskedAddress(): Address {
  return readAddress(useHash());
}

/**
 * What is asked for, a moment later (App.tsx): a place that is drawn does not hold up the answer of the link that
 * leads there.
 */
export const ShownHash = createContext('');

/** The address whose place is shown. */
export function useAddress(): Address {
  return readAddress(use(ShownHash));
}
