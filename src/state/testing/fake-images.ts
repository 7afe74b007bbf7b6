// The open images of the client without a worker: made-up ones, which are edited as the worker edits real ones.
import type { ImportedImage, ImportReport } from '../../data/import-report.ts';
import { headerOf } from '../../data/image-format.ts';
import { noEdits } from '../../data/edits.ts';
import { recipeDefaults } from '../../recipe/recipe.ts';
import { assert } from '../../shared/assert.ts';
import { fail } from '../../shared/result.ts';
import { keepBy, splitData, type OpenData } from '../../worker/open-data.ts';
import type { DataSummary } from '../../worker/protocol.ts';

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
