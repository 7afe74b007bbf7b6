// Runs of an ablation in one page, one after the other. Model and images stay open between runs of the same set, so
// that each image is decoded once, and the frozen model is asked about it once.
import { handImages, handModel, openPage, train, valueOf } from '../finetune/drive.mjs';

/**
 * @typedef {import('../finetune/drive.mjs').Training} Training
 * @typedef {import('../finetune/drive.mjs').Progress} Progress
 * @typedef {import('../finetune/drive.mjs').Opened} Opened
 * @typedef {import('../../src/lab/trial-record.ts').TrialRecord} TrialRecord
 */

/**
 * What a run measured, and which image was where: the same text for the same split of the same images.
 * @typedef {{ readonly result: TrialRecord['result'], readonly device: string, readonly places: string }} Measured
 */

/** @param {{ accuracy: number, loss: number }} metrics */
const metricsOf = ({ accuracy, loss }) => ({ accuracy, loss });

export class TrialPage {
  /** What is open in the page. @type {Training['data'] | undefined} */
  #data = undefined;

  /** @param {Opened} opened */
  constructor(opened) {
    this.opened = opened;
  }

  /**
   * @param {import('@playwright/test').Page} page
   * @param {string} url of the built app, with a "/" at its end
   */
  static async open(page, url) {
    return new TrialPage(await openPage(page, url));
  }

  /**
   * Trains to the end and takes out what was measured. The model is that of the first job.
   * @param {Training} job whose `data` is the same object where the images are the same
   * @param {Progress} progress
   * @returns {Promise<Measured>}
   * @throws {import('../finetune/user-error.mjs').UserError}
   */
  async run(job, progress) {
    const { page } = this.opened;
    if (this.#data === undefined) await handModel(this.opened, job, progress);
    if (this.#data !== job.data) await handImages(this.opened, job, progress);
    this.#data = job.data;
    /** @type {{ step: number, accuracy: number, loss: number }[]} */
    const validations = [];
    const { engine } = await train(this.opened, job, {
      ...progress,
      event(event) {
        progress.event(event);
        if (event.kind === 'evaluated')
          validations.push({ step: event.step, ...metricsOf(event.validation) });
      },
    });
    const ended = valueOf(await page.evaluate(() => window.graft.call('result', null)));
    const { names, classOf, places, placeOf } = valueOf(
      await page.evaluate(async () => {
        const gallery = await window.graft.call('gallery', null);
        if (!gallery.ok) return gallery;
        const { names: all, classOf: of, places: known, placeOf: at } = gallery.value;
        return { ...gallery, value: { names: all, classOf: [...of], places: known, placeOf: [...at] } };
      }),
    );
    const { test, validation, probe, steps, keptStep, scalarsKept, diverged } = ended;
    return {
      places: JSON.stringify([names, classOf, places, placeOf]),
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
        ...{ steps, keptStep, scalarsKept, diverged: diverged !== null, validations },
        images: { train: ended.trainImages, validation: ended.validationImages, test: ended.testImages },
        seconds: ended.seconds,
        secondsPerStep: ended.secondsPerStep,
        peakBytes: ended.peakBufferBytes,
      },
    };
  }
}
