// The Hub as the page sees it: where it is, the user's token, what is suggested and what is kept on this
// machine. The address of a mirror is remembered in localStorage; the token lives in this store, in memory,
// and nowhere else.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { CachedRepository, DataSetOffer, Fault, SuggestedModel } from '../worker/protocol.ts';

type Push =
  | { readonly kind: 'none' | 'sending' }
  | { readonly kind: 'done'; readonly url: string; readonly commit: string }
  | { readonly kind: 'failed'; readonly fault: Fault };

/** A data set that somebody asks about. */
type AskedDataSet =
  | { readonly kind: 'none' | 'asking' }
  | { readonly kind: 'offer'; readonly offer: DataSetOffer }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface HubState {
  /** Base address of a mirror; empty for huggingface.co. */
  readonly address: string;
  readonly token: string;
  readonly suggested: readonly SuggestedModel[];
  readonly cached: readonly CachedRepository[];
  /** What is being opened; null when nothing is. */
  readonly opening: string | null;
  /** Of the list of what is kept. */
  readonly fault: Fault | null;
  readonly push: Push;
  readonly dataSet: AskedDataSet;
}

const key = 'graft.hub';

export const hubStore = createStore<HubState>(() => ({
  address: storedAddress(),
  token: '',
  suggested: [],
  cached: [],
  opening: null,
  fault: null,
  push: { kind: 'none' },
  dataSet: { kind: 'none' },
}));

export function setHubAddress(address: string): void {
  hubStore.setState({ address });
  try {
    if (address.trim() === '') localStorage.removeItem(key);
    else localStorage.setItem(key, address);
  } catch {
    // Private windows may forbid it: the address then lasts as long as the page.
  }
}

export function setToken(token: string): void {
  hubStore.setState({ token });
}

function storedAddress(): string {
  try {
    return localStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

export function useHub<T>(selector: (state: HubState) => T): T {
  return useStore(hubStore, selector);
}
