// What the worker can run on, as it said at the start, and how far a long command is. Filled by trainer.ts
// and events.ts.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Fault, Hello } from '../worker/protocol.ts';

interface Progress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly unit?: 'bytes';
}

export interface DeviceState {
  readonly hello: Hello | null;
  /** Why the training thread or the list of what ships with the app is not there; null when all is well. */
  readonly fault: Fault | null;
  readonly progress: Progress | null;
}

const initial: DeviceState = { hello: null, fault: null, progress: null };

export const deviceStore = createStore<DeviceState>(() => initial);

export function useDevice<T>(selector: (state: DeviceState) => T): T {
  return useStore(deviceStore, selector);
}
