// How the 16-bit grey among the images of a pile is read, as a choice of the reading; for the window of a
// whole set its values are counted, which takes one pass over the files.
import { eachOf, unlessAborted } from '../shared/concurrent.ts';
import { grey16Percentiles, windowOf } from './grey16.ts';
import type { ImageWorker } from './image-work.ts';
import type { ImportedImage, ImportReport } from './import-report.ts';
import type { Grey16Window } from './preprocessing.ts';
import type { ReadingChoice, ReadingOptions } from './reading-options.ts';

interface Watch {
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A report with the choice and the window of its 16-bit grey; as it is where it has none. Rejects on abort. */
export async function withGrey16Read(
  report: ImportReport,
  asked: ReadingOptions['grey16'],
  work: ImageWorker,
  watch: Watch,
): Promise<ImportReport> {
  const images = report.images.filter(({ header }) => header.grey16);
  if (images.length === 0) return report;
  const value = asked === 'auto' ? 'high-byte' : asked;
  const window = await windowFor(value, images, work, watch);
  const { reading } = report;
  const choices = [...reading.choices, choiceOf(value, images)];
  return { ...report, reading: { ...reading, choices, grey16: window } };
}

async function windowFor(
  value: Exclude<ReadingOptions['grey16'], 'auto'>,
  images: readonly ImportedImage[],
  work: ImageWorker,
  watch: Watch,
): Promise<Grey16Window | null> {
  switch (value) {
    case 'high-byte':
      return null;
    case 'image':
      return { kind: 'image', percentiles: grey16Percentiles };
    case 'set':
      return {
        kind: 'set',
        percentiles: grey16Percentiles,
        ...windowOf(await countsOf(images, work, watch)),
      };
    default:
      return value satisfies never;
  }
}

/** [65,536] the values of all images together; those that cannot be read are told where their pixels are made. */
async function countsOf(
  images: readonly ImportedImage[],
  work: ImageWorker,
  { onProgress, signal }: Watch,
): Promise<Float64Array> {
  const counts = new Float64Array(65_536);
  let done = 0;
  await eachOf(
    images,
    work.width,
    async (image) => {
      const file = await unlessAborted(image.content(), signal);
      if (file.ok) {
        const own = await work.do('grey16Counts', { content: file.value, header: image.header }, { signal });
        if (own.ok)
          for (const [level, count] of own.value.entries()) counts[level] = (counts[level] ?? 0) + count;
      }
      done += 1;
      onProgress?.({ done, total: images.length });
    },
    signal,
  );
  return counts;
}

function choiceOf(
  value: Exclude<ReadingOptions['grey16'], 'auto'>,
  images: readonly ImportedImage[],
): ReadingChoice {
  const dark = images.filter(({ stored }) => stored?.dark === true).length;
  const black =
    dark === 0
      ? ''
      : ` (nearly black: ${dark.toLocaleString('en')} of ${images.length.toLocaleString('en')})`;
  return {
    option: 'grey16',
    label: 'Grey of 16 bits is read',
    value,
    offered: [
      { value: 'high-byte', words: `by its high byte${black}` },
      { value: 'image', words: 'each image from its 1st to its 99th percentile' },
      { value: 'set', words: 'all images by the percentiles of the set' },
    ],
  };
}
