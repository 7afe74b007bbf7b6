// The commands of a packed form, where only Node is: `node graft.mjs ablate|finetune [flags]`.
const [, , name, ...flags] = process.argv;
const commands = {
  ablate: () => import('../ablate.mjs'),
  finetune: () => import('../finetune.mjs'),
};

if (name !== 'ablate' && name !== 'finetune') {
  console.error('node graft.mjs ablate|finetune [flags]; with --help each says what it takes.');
  process.exitCode = 1;
} else {
  const where = flags.includes('--help') ? [] : ['--runtime', 'node'];
  process.argv.splice(2, process.argv.length, ...where, ...flags);
  await commands[name]();
}
