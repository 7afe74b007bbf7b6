// The five places of the app and their addresses ("#/understand/try"): which one is shown, and how to get to
// another. The address is the only state, so that back, forward and links work.
import { createContext, use, useSyncExternalStore } from 'react';

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
  if (location.hash === address) scrollTo({ top: 0 });
  else location.hash = address;
}

export const useHash = (): string => useSyncExternalStore(subscribe, () => location.hash);

function subscribe(onChange: () => void): () => void {
  addEventListener('hashchange', onChange);
  return () => removeEventListener('hashchange', onChange);
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
