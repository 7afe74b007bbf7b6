// `npm run ablate`: named recipes, seeds and sets of images as one grid of runs in a headless browser, and what they
// say together. Its arguments stand in ablate/arguments.mjs, the grid itself in ablate/ablate.ts.
import './setup/node-version.mjs';

/** @param {string} line */
const say = (line) => console.error(line);

const { readArguments, usage } = await import('./ablate/arguments.mjs');
try {
  const given = readArguments(process.argv.slice(2));
  if (given === null) console.log(usage);
  else {
    const { installPackages } = await import('./setup/install.mjs');
    await installPackages(say);
    const { appModule } = await import('./setup/app-module.mjs');
    /** @type {typeof import('./ablate/ablate.ts')} */
    const { ablate } = await appModule('scripts/ablate/ablate.ts');
    process.exitCode = await ablate(given, process.stderr);
  }
} catch (thrown) {
  say(thrown instanceof Error ? thrown.message : String(thrown));
  process.exitCode = 1;
}
