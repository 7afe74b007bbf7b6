// The export of the ended run: what was chosen, how far it is, what it measured, and whether anything has
// been saved to disk yet.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import type { Recipe } from '../recipe/options.ts';
import { recipeWithoutLora } from '../recipe/what-learns.ts';
import type { ExportDtype, ExportFormat, ExportResult, Fault } from '../worker/protocol.ts';

/** What the dialogue asks for; both generations of transformers' names are one format with a switch. */
export interface ExportChoice {
  readonly hf: boolean;
  /** The names of the merged Hugging Face folder. */
  readonly names: 'hf' | 'hf-v5';
  readonly timm: boolean;
  readonly peft: boolean;
  readonly onnx: boolean;
  readonly 'onnx-q8': boolean;
  readonly 'onnx-q4': boolean;
  readonly dtype: ExportDtype;
  /** With the temperature in the head that fits the validation images. */
  readonly tempered: boolean;
}

export interface ExportState {
  readonly choice: ExportChoice;
  readonly status: 'none' | 'exporting' | 'done';
  readonly result: ExportResult | null;
  readonly fault: Fault | null;
  /** True once a file or the zip has been handed to the browser's downloads. */
  readonly saved: boolean;
}

const initial: ExportState = {
  choice: {
    ...{ hf: true, names: 'hf', timm: false, peft: false },
    ...{ onnx: false, 'onnx-q8': false, 'onnx-q4': false },
    dtype: 'source',
    tempered: false,
  },
  status: 'none',
  result: null,
  fault: null,
  saved: false,
};

export const exportStore = createStore<ExportState>(() => initial);

/** Forgets the last run's export; what was chosen stays chosen. */
export function clearExport(): void {
  exportStore.setState(({ choice }) => ({ ...initial, choice }), true);
}

/** Changes the choice; files of another choice are no answer to it. */
export function choose(change: Partial<ExportChoice>): void {
  exportStore.setState(({ choice, saved }) => ({
    ...initial,
    choice: { ...choice, ...change },
    saved,
  }));
}

/** The formats of a choice that a run of this recipe can be written in, in the order in which they are shown. */
export function chosenFormats(choice: ExportChoice, recipe: Recipe | undefined): ExportFormat[] {
  const formats: [boolean, ExportFormat][] = [
    [choice.hf, choice.names],
    [choice.timm, 'timm'],
    [choice.peft && recipeWithoutLora(recipe) === null, 'peft'],
    [choice.onnx, 'onnx'],
    [choice['onnx-q8'], 'onnx-q8'],
    [choice['onnx-q4'], 'onnx-q4'],
  ];
  return formats.flatMap(([chosen, format]) => (chosen ? [format] : []));
}

export function markSaved(): void {
  exportStore.setState({ saved: true });
}

export function useExport<T>(selector: (state: ExportState) => T): T {
  return useStore(exportStore, selector);
}
