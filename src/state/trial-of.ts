// A run of a comparison of recipes that is done, as the laboratory's statistics take it.
import type { TrialRecord } from '../lab/trial-record.ts';
import type { Metrics, RunFigures } from '../worker/protocol.ts';
import type { QueueItem } from './queue-store.ts';

const plain = ({ accuracy, loss }: Metrics): { accuracy: number; loss: number } => ({ accuracy, loss });

/** Null where the item is none of a comparison, or nothing was validated. */
export function trialOf({ id, trial }: QueueItem, figures: RunFigures): TrialRecord | null {
  const { validation, test, probe, images, evaluations } = figures;
  if (trial === null || validation === null) return null;
  const { keys, counts } = images;
  return {
    ...{ version: 1, arm: trial.arm, set: images.title, shots: null, seed: trial.seed, key: id },
    decidedBy: {
      recipe: { ...figures.recipe },
      model: figures.model.sha256,
      images: `${images.title}, ${counts.train + counts.validation + counts.test} images`,
      how: { imageSize: figures.model.imageSize },
    },
    split: `${keys.train} ${keys.validation} ${keys.test}`,
    result: {
      test: test === null ? null : plain(test),
      validation: plain(validation),
      probe:
        probe === null
          ? null
          : {
              validation: plain(probe.validation),
              test: probe.test === null ? null : plain(probe.test),
            },
      ...{ steps: figures.step, keptStep: figures.keptStep, scalarsKept: figures.scalarsKept },
      diverged: figures.diverged,
      validations: evaluations.map((one) => ({ step: one.step, ...plain(one.validation) })),
      images: counts,
      ...{ seconds: figures.seconds, secondsPerStep: figures.stepSeconds / Math.max(1, figures.step) },
      peakBytes: figures.peakBytes,
    },
    ...{ device: figures.device, build: figures.build, endedAt: new Date(figures.savedAt).toISOString() },
  };
}
