// The open images of the client without a worker: made-up ones, which are edited as the worker edits real ones.
import type { ImportedImage, ImportReport } from '../../data/import-report.ts';
import { headerOf } from '../../data/image-format.ts';
import { noEdits } from '../../data/edits.ts';
import { readRecipe } from '../../recipe/read-recipe.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { assert, present } from '../../shared/assert.ts';
import { fail, unwrap } from '../../shared/result.ts';
import { keepBy, splitData, type OpenData } from '../../worker/open-data.ts';
import type { Commands, DataSummary, StepView } from '../../worker/protocol.ts';
import { noise } from './fake-figures.ts';

/** Images in the numbers of a summary, in its splits. */
export function imagesLike({ title, classes, reading }: DataSummary): OpenData {
  const made = headerOf({ format: 'png', width: 64, height: 64 });
  assert(made.ok, 'a header of these numbers is fine');
  const header = made.value;
  const images = classes.flatMap(({ name, counts }, classIndex) =>
    (['train', 'validation', 'test'] as const).flatMap((split) =>
      Array.from({ length: counts[split] }, (_, i): ImportedImage => {
        const path = `${name}/${split}-${String(i).padStart(3, '0')}.png`;
        const isTiny = split === 'train' && i === 7;
        return {
          ...{ path, classIndex, split, header, stored: null, format: 'png', width: 64, height: 64 },
          id: `${classIndex}-${split}-${i}`.padStart(64, '0'),
          sizeBytes: 1000,
          warnings: isTiny ? [{ code: 'tiny', text: 'Only 12 x 12 pixels.' }] : [],
          content: () =>
            Promise.resolve(
              fail({ kind: 'bad-file', name: path, why: 'unreadable', detail: 'It is made up.' }),
            ),
        };
      }),
    ),
  );
  const report: ImportReport = {
    ...{ reading, images, rejected: [], ignored: [], emptyClasses: [], untrained: [], warnings: [] },
    fault: null,
    classes: classes.map(({ name }) => name),
  };
  const { split: options, seed } = recipeDefaults;
  return splitData({ title, report, keep: keepBy(report), history: noEdits }, { options, seed });
}

/** A step of a run on made-up images: squares of their class's shade, mixed where the recipe says so. */
export function stepLike(
  { images, classes, split }: OpenData,
  { recipe: given, step }: Commands['viewStep']['input'],
  steps: number,
): StepView {
  const recipe = unwrap(readRecipe(given));
  const [side, batch] = [32, Math.min(recipe.batch, split.train.length)];
  const share = recipe.mixup > 0 || recipe.cutmix > 0 ? 0.3 : null;
  const named = (i: number): { readonly path: string; readonly class: string } => {
    const at = split.train[(step * batch + 5 * i) % split.train.length] ?? 0;
    const { path, classIndex } = present(images[at], 'image');
    return { path, class: classes[classIndex] ?? '' };
  };
  const shade = (i: number, channel: number): number =>
    60 + 150 * noise(classes.indexOf(named(i).class), channel);
  return {
    ...{ step: Math.min(step, steps - 1), steps, batch, side },
    images: Array.from({ length: batch }, (_, i) => ({
      ...named(i),
      mixed: share === null ? null : { ...named(i + 1), share },
    })),
    pixels: Uint8ClampedArray.from({ length: batch * side * side * 3 }, (_, at) => {
      const [i, channel] = [Math.floor(at / (3 * side * side)), at % 3];
      const own = shade(i, channel);
      return share === null ? own : own + (shade(i + 1, channel) - own) * share;
    }),
  };
}
