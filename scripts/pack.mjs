// `npm run pack -- DIR`: `finetune` and `ablate` in a folder, for a machine that has Node and nothing else.
import './setup/node-version.mjs';

const [target, ...others] = process.argv.slice(2);
if (target === undefined || target.startsWith('-') || others.length > 0) {
  console.error('npm run pack -- DIR: name the folder that finetune and ablate are to be packed into.');
  process.exitCode = 1;
} else {
  const { installPackages } = await import('./setup/install.mjs');
  await installPackages((line) => console.error(line));
  const { pack } = await import('./pack/pack.mjs');
  console.log(await pack(target, (line) => console.error(line)));
}
