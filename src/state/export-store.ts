// The export of the ended run: how far it is, what it measured, and whether anything has been saved to disk yet.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { ExportResult, Fault } from '../worker/protocol.ts';

export interface ExportState {
  readonly status: 'none' | 'exporting' | 'done';
  readonly result: ExportResult | null;
  readonly fault: Fault | null;
  /** True once a file or the zip has been handed to the browser's downloads. */
  readonly saved: boolean;
}

const initial: ExportState = { status: 'none', result: null, fault: null, saved: false };

export const exportStore = createStore<ExportState>(() => initial);

export function clearExport(): void {
  exportStore.setState(initial, true);
}

export function markSaved(): void {
  exportStore.setState({ saved: true });
}

export function useExport<T>(selector: (state: ExportState) => T): T {
  return useStore(exportStore, selector);
}
