// `npm run pack -- DIR`: `finetune` and `ablate` in a folder, for a machine that has Node and nothing else.
import './setup/node-version.mjs';

/** @param {string} line */
const say = (line) => console.error(line);

try {
  const [target, ...others] = process.argv.slice(2);
  if (target === undefined || target === '' || target.startsWith('-') || others.length > 0)
    throw new Error(
      'npm run pack -- DIR: name the folder that finetune and ablate are to be packed into, a new or an empty one or an earlier pack.',
    );
  const { targetFolder } = await import('./pack/target.mjs');
  const { root } = await import('./setup/paths.mjs');
  const folder = await targetFolder(target, root);
  const { installPackages } = await import('./setup/install.mjs');
  await installPackages(say);
  const { pack } = await import('./pack/pack.mjs');
  console.log(await pack(folder, say));
} catch (thrown) {
  say(thrown instanceof Error ? thrown.message : String(thrown));
  process.exitCode = 1;
}
