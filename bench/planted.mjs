// What the check of images finds of what was planted, by the built app in Chromium: of each set some hundreds of
// images are taken, copies of some are put on the other side of the split (saved again, brighter, scaled, cropped,
// and bursts), and of another pack of the same images 3 % of the labels are made wrong. For each kind how many were
// found, how much of what was found was planted, and what is found where nothing was. Everything follows from
// the seed. `npm run build && node bench/planted.mjs --data A.zip,B.zip [--of 500] [--seed 1] [--model DIR]`
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { chromium } from '@playwright/test';
import { unzipSync, zipSync } from 'fflate';
import sharp from 'sharp';
import { findBrowser, noBrowser } from '../scripts/setup/browser.mjs';
import { softwareWebgpuFlags } from '../scripts/setup/browser-flags.mjs';
import { serveApp } from '../scripts/setup/serve.mjs';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    of: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    model: { type: 'string' },
  },
});
if (values.data === undefined)
  throw new Error('--data names zips of folders of classes, with commas between.');

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomOf(/** @type {number} */ seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * The same items in another order, all of which are as likely.
 * @template T
 * @param {readonly T[]} items
 * @param {() => number} random
 */
function shuffled(items, random) {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [order[i], order[j]];
    if (a !== undefined && b !== undefined) [order[i], order[j]] = [b, a];
  }
  return order;
}

/** A frame of a burst: light of 97 to 103 %, noise of two levels, moved by pixels of 64. */
async function frame(
  /** @type {Uint8Array} */ bytes,
  /** @type {() => number} */ random,
  /** @type {number} */ moved,
) {
  const { data, info } = await sharp(bytes)
    .flatten({ background: 'white' })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const light = 0.97 + 0.06 * random();
  const { width, height, channels } = info;
  const by = (moved * width) / 64;
  const out = Buffer.alloc(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        const at = (/** @type {number} */ column) =>
          data[(y * width + Math.min(width - 1, column)) * channels + c] ?? 0;
        const [left, part] = [Math.floor(x + by), (x + by) % 1];
        const value = ((1 - part) * at(left) + part * at(left + 1)) * light + 4 * (random() - 0.5);
        out[(y * width + x) * channels + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
  return sharp(out, { raw: { width, height, channels } }).png().toBuffer();
}

/** @typedef {(bytes: Uint8Array, random: () => number) => Promise<Uint8Array>} Change */
/** @type {Readonly<Record<string, Change>>} */
const changes = {
  'JPEG of quality 50': (bytes) =>
    sharp(bytes).flatten({ background: 'white' }).jpeg({ quality: 50 }).toBuffer(),
  '12 % brighter': (bytes) => sharp(bytes).flatten({ background: 'white' }).linear(1.12, 0).png().toBuffer(),
  // Smaller alone: sharp 0.35 moves what it enlarges by half a pixel.
  'scaled to five eighths': async (bytes) => {
    const { width, height } = await sharp(bytes).metadata();
    const [w, h] = [Math.round(0.625 * width), Math.round(0.625 * height)];
    return sharp(bytes).flatten({ background: 'white' }).resize(w, h, { fit: 'fill' }).png().toBuffer();
  },
  'cropped to 95 %': async (bytes) => {
    const { width, height } = await sharp(bytes).metadata();
    const [left, top] = [Math.round(0.05 * width), Math.round(0.05 * height)];
    return sharp(bytes)
      .flatten({ background: 'white' })
      .extract({ left, top, width: width - left, height: height - top })
      .png()
      .toBuffer();
  },
  'a frame of a burst, held still': (bytes, random) => frame(bytes, random, 0),
  'the same, moved by 1 of 64 pixels': (bytes, random) => frame(bytes, random, 1),
};

/** Keeps what the worker answers: runs in the page before its scripts. */
function listen() {
  const page = /** @type {any} */ (globalThis);
  const Original = page.Worker;
  page.answers = {};
  page.Worker = class extends Original {
    constructor(/** @type {any} */ url, /** @type {any} */ options) {
      super(url, options);
      this.addEventListener('message', (/** @type {any} */ { data }) => {
        if (data?.kind === 'reply') page.answers[data.name] = data.result;
      });
    }
  };
}

const executablePath = await findBrowser();
if (executablePath === null) throw new Error(noBrowser);
const server = await serveApp(0);
const browser = await chromium.launch({ executablePath, args: softwareWebgpuFlags });
const folder = await mkdtemp(join(tmpdir(), 'planted-'));
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
await page.addInitScript(listen);
await page.goto(server.url);
await page.getByTestId('model-title').waitFor();
await page.getByTestId('data-title').waitFor();
const place = (/** @type {string} */ name) =>
  page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name });
if (values.model !== undefined) {
  await place('Model').click();
  await page.getByTestId('pick-model-folder').setInputFiles(values.model);
  await page.getByTestId('model-title').getByText(basename(values.model)).waitFor();
}
await place('Images').click();

/** Opens such files as a set, and gives what a check of it says. */
async function checked(
  /** @type {string} */ name,
  /** @type {Record<string, Uint8Array>} */ files,
  /** @type {'checkImages' | 'checkLabels'} */ check,
) {
  const path = join(folder, `${name}.zip`);
  await writeFile(path, zipSync(files, { level: 0 }));
  await page.getByTestId('pick-images-zip').setInputFiles(path);
  await page.getByTestId('data-title').getByText(name, { exact: true }).waitFor({ timeout: 600_000 });
  await page.evaluate((asked) => Reflect.deleteProperty(Reflect.get(globalThis, 'answers'), asked), check);
  await page
    .getByRole('button', {
      name: check === 'checkImages' ? 'Look for copies and odd pictures' : 'Look for doubtful labels',
    })
    .click();
  await page.waitForFunction((asked) => asked in Reflect.get(globalThis, 'answers'), check, {
    timeout: 900_000,
  });
  const answer = await page.evaluate((asked) => Reflect.get(globalThis, 'answers')[asked], check);
  if (!answer.ok) throw new Error(JSON.stringify(answer.fault));
  return answer.value;
}

const percent = (/** @type {number} */ part, /** @type {number} */ of) =>
  of === 0 ? 'none' : `${((100 * part) / of).toFixed(0)} % (${part} of ${of})`;

try {
  for (const [at, path] of values.data.split(',').entries()) {
    const random = randomOf(1000 * Number(values.seed) + at);
    const name = basename(path, '.zip');
    /** The folder of an image is its class. */
    const all = Object.entries(unzipSync(await readFile(path))).flatMap(([file, bytes]) => {
      const of = file.split('/').at(-2);
      return /\.(png|jpe?g)$/i.test(file) && of !== undefined ? [{ of, bytes }] : [];
    });
    const images = shuffled(all, random).slice(0, Number(values.of));
    const classes = [...new Set(images.map(({ of }) => of))];
    const named = (/** @type {string} */ split, /** @type {string} */ of, /** @type {string} */ file) =>
      `${split}/${of}/${file}`;
    console.log(`${name}: ${images.length} of ${all.length} images, ${classes.length} classes`);

    /** @type {Record<string, Uint8Array>} */
    const bare = {};
    images.forEach(({ of, bytes }, i) => (bare[named('train', of, `${i}.png`)] = bytes));
    const kinds = Object.entries(changes);
    const copies = { ...bare };
    for (const [k, [, change]] of kinds.entries())
      for (let n = 0; n < Math.floor(images.length / kinds.length); n++) {
        const i = kinds.length * n + k;
        const image = images[i];
        if (image !== undefined)
          copies[named('test', image.of, `copy-${k}-${i}.png`)] = await change(image.bytes, random);
      }

    /** Groups of pictures that are almost the same, as numbers of their originals, with the kinds of copies. */
    const groupsOf = (/** @type {any} */ answer) =>
      answer.findings
        .filter((/** @type {any} */ { kind }) => kind.startsWith('near'))
        .flatMap((/** @type {any} */ { groups }) => groups)
        .map((/** @type {any[]} */ group) =>
          group.map(({ path: file }) => {
            const [, kind = null, i = ''] = /(?:copy-(\d+)-)?(\d+)\.png$/.exec(file) ?? [];
            return { kind, original: Number(i) };
          }),
        );
    const asIs = groupsOf(await checked(`${name}-bare`, bare, 'checkImages'));
    const found = groupsOf(await checked(`${name}-copies`, copies, 'checkImages'));
    for (const [k, [kind]] of kinds.entries()) {
      const planted = Math.floor(images.length / kinds.length);
      let right = 0;
      let foreign = 0;
      for (const group of found)
        for (const one of group)
          if (one.kind === String(k)) {
            const others = group.filter((/** @type {any} */ other) => other !== one);
            if (others.some((/** @type {any} */ { original }) => original === one.original)) right++;
            if (others.some((/** @type {any} */ { original }) => original !== one.original)) foreign++;
          }
      console.log(`  ${kind}: found ${percent(right, planted)}; with another picture too ${foreign}`);
    }
    const pure = found.filter(
      (/** @type {any[]} */ group) => new Set(group.map(({ original }) => original)).size === 1,
    );
    console.log(
      `  groups of one picture and its copies: ${percent(pure.length, found.length)}; groups where nothing was planted: ${asIs.length}`,
    );

    const wrong = new Set(shuffled([...images.keys()], random).slice(0, Math.round(0.03 * images.length)));
    /** @type {Record<string, Uint8Array>} */
    const mislabelled = {};
    images.forEach(({ of, bytes }, i) => {
      const others = classes.filter((other) => other !== of);
      const label = wrong.has(i) ? (others[Math.floor(random() * others.length)] ?? of) : of;
      mislabelled[named('train', label, `${i}.png`)] = bytes;
    });
    const doubtsOf = (/** @type {any} */ answer) =>
      answer.doubts.map((/** @type {any} */ { path: file }) => Number(/(\d+)\.png$/.exec(file)?.[1]));
    const calm = doubtsOf(await checked(`${name}-right`, bare, 'checkLabels'));
    const doubts = doubtsOf(await checked(`${name}-wrong`, mislabelled, 'checkLabels'));
    const right = doubts.filter((/** @type {number} */ i) => wrong.has(i)).length;
    console.log(
      `  3 % of the labels wrong: told ${percent(right, wrong.size)}; of what is told wrong ${percent(right, doubts.length)}; told where none was made wrong ${calm.length}`,
    );
  }
} finally {
  await browser.close();
  await server.close();
  await rm(folder, { recursive: true });
}
