// The smoke test of a browser, as a person uses the page: what ships opens, some steps train on wasm and are
// paused, the page is reloaded and the run gone on with where the browser keeps files (elsewhere the page says that
// it does not, and the run is resumed), the model is exported; then the host goes away, and the page opens and
// trains again.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { startStaticHost } from '../testing/static-host.mjs';
import { dist } from '../setup/paths.mjs';

/** @typedef {import('./driven.mjs').Driven} Driven */

/** Few images and steps of the data that ships. */
const recipe = { steps: 8, batch: 8, split: { trainPerClass: 4, validationPerClass: 2 } };

/**
 * Waits until `question` is answered by something other than false or null.
 * @template {readonly unknown[]} A
 * @template T
 * @param {Driven} browser
 * @param {string} what for the error
 * @param {(...args: A) => T} question in the page
 * @param {A} args
 * @returns {Promise<T>}
 */
async function until(browser, what, question, ...args) {
  const endsAt = Date.now() + 240_000;
  for (;;) {
    const answer = await browser.evaluate(question, ...args);
    if (answer !== false && answer !== null) return answer;
    if (Date.now() > endsAt) {
      const page = await browser.evaluate(() => document.body.innerText.slice(0, 1500));
      throw new Error(`${what}: not within four minutes. The page says:\n${page}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** @param {Driven} browser @param {string} id */
const text = (browser, id) =>
  until(
    browser,
    `the page shows "${id}"`,
    (testId) => document.querySelector(`[data-testid="${testId}"]`)?.textContent ?? null,
    id,
  );

/** @param {Driven} browser @param {string} name */
const press = (browser, name) =>
  until(
    browser,
    `the button "${name}" can be pressed`,
    (label) => {
      const button = [...document.querySelectorAll('button')].find(
        (each) =>
          (each.ariaLabel ?? each.textContent.trim()) === label &&
          !each.disabled &&
          each.getAttribute('aria-disabled') !== 'true',
      );
      button?.click();
      return button !== undefined;
    },
    name,
  );

/** @param {Driven} browser @param {string} place of the app's five */
const show = (browser, place) =>
  browser.evaluate((wanted) => {
    location.hash = `#/${wanted}`;
  }, place);

/** @param {Driven} browser @param {string} phase */
const phase = (browser, phase) =>
  until(
    browser,
    `the phase "${phase}"`,
    (wanted) => document.querySelector('[data-testid="phase"]')?.getAttribute('data-phase') === wanted,
    phase,
  );

/**
 * Chooses a file in one of the page's pickers, as the picker itself would.
 * @param {Driven} browser @param {string} id @param {string} name @param {string} content
 */
const choose = (browser, id, name, content) =>
  browser.evaluate(
    (testId, fileName, words) => {
      const input = document.querySelector(`input[data-testid="${testId}"]`);
      if (!(input instanceof HTMLInputElement)) throw new Error(`there is no picker "${testId}"`);
      const files = new DataTransfer();
      files.items.add(new File([words], fileName));
      input.files = files.files;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    },
    id,
    name,
    content,
  );

/**
 * Opens the page at `url` and takes notes of what its policy refuses from then on.
 * @param {Driven} browser @param {string} url
 */
async function visit(browser, url) {
  await browser.open(url);
  await browser.evaluate(() => {
    const refused = /** @type {{ refused?: string[] }} */ (window);
    refused.refused = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      refused.refused?.push(`${violatedDirective} blocked ${blockedURI}`);
    });
  });
  await text(browser, 'model-title');
  await text(browser, 'data-title');
}

/** @param {Driven} browser */
const refused = (browser) =>
  browser.evaluate(() => /** @type {{ refused?: string[] }} */ (window).refused ?? ['the page was reloaded']);

/** @param {Driven} browser @param {string} backend */
async function takeRecipe(browser, backend) {
  await show(browser, 'train');
  await choose(browser, 'pick-recipe', 'recipe.json', JSON.stringify(recipe));
  await until(
    browser,
    'the recipe is taken',
    (steps) => document.querySelector('[data-testid="total-steps"]')?.getAttribute('data-steps') === steps,
    String(recipe.steps),
  );
  await browser.evaluate((wanted) => {
    const select = [...document.querySelectorAll('select')].find((each) =>
      [...each.options].some(({ value }) => value === 'wasm'),
    );
    if (select === undefined) throw new Error('there is no choice of the backend');
    select.value = wanted;
    select.dispatchEvent(new Event('change', { bubbles: true }));
  }, backend);
}

/** @param {Driven} browser */
const badge = (browser) =>
  browser.evaluate(
    () => document.querySelector('[data-testid="device-badge"]')?.getAttribute('data-backend') ?? 'none',
  );

/** @param {Driven} browser */
const stepOf = (browser) =>
  browser.evaluate(() => document.querySelector('[data-testid="step"]')?.getAttribute('data-step') ?? 'none');

/**
 * Whether the paused run is saved where it is; false where the page says that it cannot be.
 * @param {Driven} browser
 */
async function isSaved(browser) {
  const how = await until(browser, 'the page says whether the run is saved', () => {
    const step = document.querySelector('[data-testid="step"]')?.getAttribute('data-step');
    const saved = document.querySelector('[data-testid="saved"]')?.getAttribute('data-step');
    if (saved !== undefined && saved === step) return 'saved';
    return document.querySelector('[data-testid="not-saved"]') === null ? null : 'not saved';
  });
  return how === 'saved';
}

/**
 * The file that was downloaded; null where it does not come.
 * @param {string} folder
 */
async function downloaded(folder) {
  for (let tries = 0; tries < 150; tries++) {
    const names = await readdir(folder);
    const [name] = names;
    if (name !== undefined && !names.some((each) => each.endsWith('.part'))) {
      const { size } = await stat(join(folder, name));
      if (size > 0) return { name, size };
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return null;
}

/**
 * @param {Driven} browser
 * @param {(line: string) => void} say
 * @returns {Promise<void>}
 * @throws {Error} with a sentence where something does not work
 */
export async function smoke(browser, say) {
  const path = '/tools/graft/';
  const host = await startStaticHost([[path, dist]]);
  const url = host.origin + path;
  let gone = false;
  try {
    await visit(browser, url);
    say(`opened; ${await text(browser, 'device-badge')}`);
    await takeRecipe(browser, 'auto');
    await press(browser, 'Step');
    await phase(browser, 'paused');
    if ((await badge(browser)) !== 'wasm')
      throw new Error(`it trained on ${await badge(browser)}, not on wasm`);
    /** @type {string[]} */
    const violations = [];
    if (await isSaved(browser)) {
      const before = await stepOf(browser);
      violations.push(...(await refused(browser)));
      await visit(browser, url);
      const at = await until(
        browser,
        'the run is offered',
        () => document.querySelector('[data-testid="unfinished"]')?.getAttribute('data-step') ?? null,
      );
      if (at !== before) throw new Error(`the run was paused at step ${before} and is offered at step ${at}`);
      await until(browser, 'the run can be gone on with', () => {
        /** @type {HTMLButtonElement | null} */
        const button = document.querySelector('[data-testid="unfinished"] button:not(:disabled)');
        button?.click();
        return button !== null;
      });
      await phase(browser, 'finished');
      say(`trained on wasm, paused, reloaded, gone on with at step ${at}`);
    } else {
      await press(browser, 'Resume');
      await phase(browser, 'finished');
      say('trained on wasm, paused, resumed (it keeps no files here, and the page says so)');
    }
    const steps = await stepOf(browser);
    if (steps !== String(recipe.steps)) throw new Error(`the run ended at step ${steps}`);

    await show(browser, 'take-home');
    await press(browser, 'Merge & export');
    await press(browser, 'Write and prove');
    await until(
      browser,
      'the export is proved',
      () => document.querySelector('[data-testid="export-hf"]')?.getAttribute('data-offered') === 'true',
    );
    if (browser.downloads === null) say('exported and proved (this driver takes no downloads)');
    else {
      await press(browser, 'Download all as a zip');
      const file = await downloaded(browser.downloads);
      if (file === null) throw new Error('the export was not downloaded');
      say(`exported, proved, downloaded: ${file.name}, ${file.size} bytes`);
    }

    await text(browser, 'offline');
    violations.push(...(await refused(browser)));
    await host.close();
    gone = true;
    await visit(browser, url);
    await takeRecipe(browser, 'wasm');
    await press(browser, 'Start');
    await phase(browser, 'finished');
    say('opened and trained again without the host');
    violations.push(...(await refused(browser)));
    const wrong = [...violations, ...browser.complaints()];
    if (wrong.length > 0) throw new Error(`the page complained: ${wrong.join('; ')}`);
  } finally {
    if (!gone) await host.close();
  }
}
