// `npm run finetune`: the app's whole job without hands, in a headless browser. Its arguments stand in
// finetune/arguments.mjs, the run itself in finetune/drive.mjs.
import './setup/node-version.mjs';

/** @typedef {import('./finetune/arguments.mjs').FinetuneArguments} FinetuneArguments */

/** @param {string} line */
const say = (line) => console.error(line);

/**
 * @param {FinetuneArguments} given
 * @returns {Promise<import('../src/worker/protocol.ts').RunResult>} what stands in result.json
 */
async function finetune(given) {
  const { collectImages, collectModel, hubImages, hubModel, prepareOut } =
    await import('./finetune/collect.mjs');
  const ofHub = given.model === null ? null : await hubModel(given.model, process.env);
  const model = given.model === null || ofHub !== null ? ofHub : await collectModel(given.model);
  const adapter = given.adapter === null ? null : await collectModel(given.adapter, 'adapter');
  const hubData = given.data === null ? null : await hubImages(given.data, process.env);
  const data = given.data === null || hubData !== null ? hubData : await collectImages('data', given.data);
  const validation = given.validation === null ? null : await collectImages('validation', given.validation);
  await prepareOut(given.out);

  const { installPackages } = await import('./setup/install.mjs');
  const { buildApp } = await import('./setup/build.mjs');
  await installPackages(say);
  const { readRecipe } = await import('./finetune/recipe.mjs');
  const recipe = await readRecipe(given.recipe, given.settings);
  await buildApp(say);
  const { runJob } = await import('./finetune/drive.mjs');
  const { startProgress } = await import('./finetune/progress.mjs');
  const host = given.runtime === 'node' ? await nodeHost() : await browserHost();
  const progress = startProgress(process.stderr);
  const { backend, engine, autotune, formats, dtype, temperature, proof, out } = given;
  const { imageSize, weights, adapterAs, reading } = given;
  try {
    return await runJob(
      host.browser,
      host.url,
      {
        model,
        imageSize,
        weights,
        adapter,
        adapterAs,
        data,
        validation,
        reading,
        recipe,
        backend,
        engine,
        autotune,
        formats,
        dtype,
        temperature,
        proof,
        out,
      },
      progress,
    );
  } finally {
    progress.end();
    await host.close();
  }
}

/**
 * Where the page runs.
 * @typedef {object} Host
 * @property {Pick<import('@playwright/test').Browser, 'newPage'>} browser
 * @property {string} url of the built app, with a "/" at its end
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<Host>} */
async function browserHost() {
  const { findBrowser, noBrowser } = await import('./setup/browser.mjs');
  const executablePath = await findBrowser();
  if (executablePath === null) throw new Error(noBrowser);
  const { serveApp } = await import('./setup/serve.mjs');
  const { webgpuFlags } = await import('./setup/browser-flags.mjs');
  const { chromium } = await import('@playwright/test');
  const server = await serveApp(0);
  const browser = await chromium.launch({ executablePath, args: webgpuFlags }).catch(async (thrown) => {
    await server.close();
    const [first] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n');
    throw new Error(
      `${executablePath} could not be started (${first}): name another browser in CHROME_PATH.`,
    );
  });
  return {
    browser,
    url: server.url,
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** @returns {Promise<Host>} */
async function nodeHost() {
  const { pathToFileURL } = await import('node:url');
  const { startNodeBrowser } = await import('./node/page.mjs');
  const { dist } = await import('./setup/paths.mjs');
  const browser = await startNodeBrowser();
  return { browser, url: pathToFileURL(`${dist}/`).href, close: () => browser.close() };
}

const { readArguments, usage } = await import('./finetune/arguments.mjs');
let asJson = process.argv.includes('--json');
try {
  const given = readArguments(process.argv.slice(2));
  asJson = given.json;
  if (given.help) console.log(usage);
  else {
    const result = await finetune(given);
    console.log(JSON.stringify(result));
    // The files are those of the best validated state: not what was asked for, and no failure either.
    if (result.diverged !== null) process.exitCode = 2;
  }
} catch (thrown) {
  const sentence = thrown instanceof Error ? thrown.message : String(thrown);
  const fault =
    thrown instanceof Error && 'fault' in thrown ? thrown.fault : { kind: 'command', message: sentence };
  if (asJson) console.log(JSON.stringify({ fault }));
  say(sentence);
  process.exitCode = 1;
}
