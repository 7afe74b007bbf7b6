// One run of an ablation in a page of its own: a new worker, so that its time and its memory are its own; decoded
// pixels are those of the browser's store, which all pages share.
import type { BrowserContext } from '@playwright/test';
import { digestOf } from '../../src/shared/sha256.ts';
import type { TrialRecord } from '../../src/lab/trial-record.ts';
import { trainOn, valueOf, whileAlive, type Progress, type Training } from '../finetune/drive.mjs';

type Measured = Pick<TrialRecord, 'result' | 'split' | 'device'>;

/** Trains to the end and takes out what was measured; throws with a sentence where it fails. */
export async function runTrial(
  context: BrowserContext,
  url: string,
  job: Training,
  progress: Progress,
): Promise<Measured> {
  const page = await context.newPage();
  try {
    return await whileAlive(page, measured());
  } finally {
    await page.close().catch(() => undefined);
  }

  async function measured(): Promise<Measured> {
    const { engine } = await trainOn(page, url, job, progress);
    const ended = valueOf(await page.evaluate(() => window.graft.call('result', null)));
    // Which image is where, in the order of the set: the same text for the same split of the same images.
    const split = await page.evaluate(async () => {
      const gallery = await window.graft.call('gallery', null);
      if (!gallery.ok) return gallery;
      const { names, classOf, places, placeOf } = gallery.value;
      return { ...gallery, value: JSON.stringify([names, [...classOf], places, [...placeOf]]) };
    });
    const { test, validation, probe, steps, keptStep, diverged } = ended;
    return {
      split: await digestOf(new Blob([valueOf(split)])),
      device: `${engine.backend}, ${engine.adapter}`,
      result: {
        test: test === null ? null : metricsOf(test),
        validation: metricsOf(validation),
        probe:
          probe === null
            ? null
            : {
                validation: metricsOf(probe.validation),
                test: probe.test === null ? null : metricsOf(probe.test),
              },
        ...{ steps, keptStep, diverged: diverged !== null },
        images: { train: ended.trainImages, validation: ended.validationImages, test: ended.testImages },
        seconds: ended.seconds,
        secondsPerStep: ended.secondsPerStep,
        peakBytes: ended.peakBufferBytes,
      },
    };
  }
}

const metricsOf = ({
  accuracy,
  loss,
}: {
  accuracy: number;
  loss: number;
}): {
  accuracy: number;
  loss: number;
} => ({ accuracy, loss });
