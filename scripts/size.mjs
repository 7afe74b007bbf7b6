// The size gate: the JavaScript that the page and its worker load, packed as servers send it, and all that is
// kept for visits without a network. A limit is raised in the change that needs it, with the reason in its
// message.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { keptFiles } from './offline.mjs';
import { dist } from './setup/paths.mjs';

/** Largest size of each part in kB (1000 bytes), gzipped. */
const limits = new Map([
  ['page', 180],
  ['worker', 434],
  ['several', 22],
  ['images', 14],
  ['one-thread', 14],
  ['files', 12],
  ['tables', 120],
  ['labels', 17],
  ['decoders', 64],
  ['hub', 60],
  ['export', 66],
  ['runs', 20],
  ['understand', 40],
  ['places', 18],
  ['gallery', 15],
]);

/**
 * The part of the app that a built file belongs to; the page of the headless command and other files have no
 * limit.
 * @param {string} name file in dist/assets
 */
function partOf(name) {
  if (!name.endsWith('.js')) return name.endsWith('.wasm') ? 'wasm' : null;
  // What only models and data sets of the Hub load: its own client and the package behind it.
  if (
    /^worker-(?:fetch-model|fetch-files|fetch-data-set|hub-client|push-model|sha256-wrapper|dist|browser)-/.test(
      name,
    )
  )
    return 'hub';
  // What only tables of images load: Parquet, and what packs it other than snappy.
  if (/^worker-(?:image-tables|hyparquet-compressors|brotli|src|esm)-/.test(name)) return 'tables';
  // What only tables of labels beside the images load, and boxes around things.
  if (/^worker-label-tables-/.test(name)) return 'labels';
  // What only pictures load that browsers do not decode.
  if (/^worker-(?:tiff-pixels|heic-pixels|libheif)-/.test(name)) return 'decoders';
  // What only unusual files load: names that are not UTF-8, a PEFT adapter.
  if (/^worker-(?:guess-encoding|peft-adapter|stacked-lora)-/.test(name)) return 'files';
  // What only an export loads: the writers and their proofs.
  if (name.startsWith('worker-export-run')) return 'export';
  // What only saved runs load: their files in the worker, their list on the page.
  if (/^(?:worker-saved-runs|RunsCard|ContinueRun|run-words)-/.test(name)) return 'runs';
  // What an ended run is asked: its card on the page, and in the worker who asks.
  // What they share is in chunks of its own (calibration, ConfusionView, ImageGrid, csv).
  if (
    /^(?:worker-(?:asking|branch-asking|result-engine)|(?:Understand|Branches|Look|Try)Card|UnderstandPlace)-/.test(
      name,
    )
  )
    return 'understand';
  if (/^(?:calibration|use-temperature|Camera|ConfusionView|ImageGrid|csv)-/.test(name)) return 'understand';
  // What compares several runs and trains them.
  if (/^(?:CompareCard|LabCard|LabResult|QueueCard|QueueProgress)-/.test(name)) return 'several';
  // What looks through all images and edits them.
  if (/^(?:GalleryCard|worker-(?:edit-images|kept-edits|write-set))-/.test(name)) return 'gallery';
  // What places show that are not the first.
  if (
    /^(?:OtherModels|StepImages|TransferLine|TakeHomeCard|OwnPictures|HubImages|CachedModels|HubAccount)-/.test(
      name,
    )
  )
    return 'places';
  // What looks at images and decodes them: in workers of its own, and for a browser without workers in
  // workers.
  if (name.startsWith('worker-image-work-')) return 'one-thread';
  if (/^(?:image[.]worker|worker-serve-images)-/.test(name)) return 'images';
  if (name.includes('worker')) return 'worker';
  return name.startsWith('headless') ? 'headless' : 'page';
}

const assets = join(dist, 'assets');
/** @type {Map<string, number>} */
const sizes = new Map();
for (const name of await readdir(assets)) {
  const part = partOf(name);
  if (part === null) continue;
  const bytes = gzipSync(await readFile(join(assets, name)), { level: 9 }).length;
  sizes.set(part, (sizes.get(part) ?? 0) + bytes);
}
for (const [part, bytes] of sizes) {
  const limit = limits.get(part);
  const kilobytes = bytes / 1000;
  const over = limit !== undefined && kilobytes > limit;
  const against = limit === undefined ? '' : ` of at most ${limit} kB${over ? ': TOO LARGE' : ''}`;
  console.log(`${part.padEnd(8)} ${kilobytes.toFixed(1).padStart(7)} kB gzipped${against}`);
  if (over) process.exitCode = 1;
}

// What a first visit fetches for the later ones, models and images included.
const keptLimit = 14_240;
const kept = (await keptFiles(dist)).reduce((sum, { bytes }) => sum + bytes, 0) / 1000;
console.log(`offline  ${kept.toFixed(1).padStart(7)} kB kept in the browser of at most ${keptLimit} kB`);
if (kept > keptLimit) process.exitCode = 1;

for (const part of limits.keys()) {
  if (!sizes.has(part)) {
    console.error(`dist/assets holds no JavaScript of the ${part}: run "npm run build" first.`);
    process.exitCode = 1;
  }
}
