// The commands of a packed form, where only Node is: `node graft.mjs ablate|finetune [flags]`.
const [, , name, ...flags] = process.argv;
const commands = {
  ablate: () => import('../ablate.mjs'),
  finetune: () => import('../finetune.mjs'),
};
const asksBrowser = flags.some(
  (flag, at) => flag === '--runtime=browser' || (flag === '--runtime' && flags[at + 1] === 'browser'),
);

/** @param {string} sentence */
function refuse(sentence) {
  if (flags.includes('--json'))
    console.log(JSON.stringify({ fault: { kind: 'command', message: sentence } }));
  console.error(sentence);
  process.exitCode = 1;
}

if (name !== 'ablate' && name !== 'finetune')
  refuse('node graft.mjs ablate|finetune [flags]; with --help each says what it takes.');
else if (asksBrowser)
  refuse('--runtime: a packed form has no browser and always runs in Node, so leave --runtime out.');
else {
  const asksHelp = flags.includes('--help') || flags.includes('-h');
  if (asksHelp)
    console.log(
      `Packed: the command is "node graft.mjs ${name} [flags]", and --runtime is always node; the rest is as below.\n`,
    );
  process.argv.splice(2, process.argv.length, ...(asksHelp ? [] : ['--runtime', 'node']), ...flags);
  await commands[name]();
}
