// What a run would look like before it has started: its modules, its steps, its drops. The worker's RunSummary
// replaces this as soon as there is one.
import type { ModuleView, Recipe } from '../worker/protocol.ts';

const linearsOf = {
  qv: ['q', 'v'],
  qkv: ['q', 'k', 'v'],
  'qkv+proj': ['q', 'k', 'v', 'proj'],
  all: ['q', 'k', 'v', 'proj', 'fc1', 'fc2'],
} as const satisfies Record<Recipe['dmlora']['targets'], readonly string[]>;

/** The modules that a run on a model of this depth would have, with every branch alive and without strength. */
export function previewModules(depth: number, { dmlora }: Recipe): ModuleView[] {
  const linears = linearsOf[dmlora.targets];
  const blocks = Array.from({ length: depth }, (_, block) => block).slice(dmlora.firstBlock);
  return blocks.flatMap((block) =>
    linears.map((linear) => ({
      module: `blocks.${block}.${linear}`,
      scalar: dmlora.scalarStart,
      branches: Array.from({ length: dmlora.branches }, (_, index) => ({
        index,
        droppedAt: null,
        strength: 0,
      })),
    })),
  );
}

export interface LengthPreview {
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/** Optimiser steps over so many training images. */
export function previewLength(recipe: Recipe, trainImages: number): LengthPreview | null {
  if (trainImages === 0) return null;
  const batch = Math.min(recipe.batch, trainImages);
  return {
    steps: recipe.steps ?? Math.max(1, Math.round((recipe.epochs * trainImages) / batch)),
    stepsPerEpoch: trainImages / batch,
  };
}
