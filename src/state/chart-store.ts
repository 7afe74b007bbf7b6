// How the curves are looked at: smoothing, logarithmic loss, the steps that are zoomed to, and the one step
// that curves and branches are pointed at (all charts share them).
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';

export interface ChartState {
  /** Weight of the past in the smoothed curves, 0 to 0.99. */
  readonly smoothing: number;
  readonly logLoss: boolean;
  /** Null follows the run. */
  readonly range: readonly [from: number, to: number] | null;
  /** The step of the crosshair; null while nothing is pointed at. */
  readonly pointed: number | null;
}

export const chartStore = createStore<ChartState>(() => ({
  smoothing: 0.8,
  logLoss: false,
  range: null,
  pointed: null,
}));

export function setSmoothing(smoothing: number): void {
  chartStore.setState({ smoothing: Math.min(0.99, Math.max(0, smoothing)) });
}

export function setLogLoss(logLoss: boolean): void {
  chartStore.setState({ logLoss });
}

export function setRange(range: ChartState['range']): void {
  chartStore.setState({ range });
}

export function pointAt(pointed: number | null): void {
  if (chartStore.getState().pointed !== pointed) chartStore.setState({ pointed });
}

export function useChart<T>(selector: (state: ChartState) => T): T {
  return useStore(chartStore, selector);
}
