// The import rule of ARCHITECTURE.md as a test: arrows point one way, and a library lives in one house.
const only = (folder, ...allowed) => ({
  name: `${folder}-imports`,
  severity: 'error',
  comment: `${folder}/ may import only ${allowed.join(', ') || 'nothing of Graft'}`,
  from: { path: `^src/${folder}/`, pathNot: '(\\.test\\.ts$|/testing/|^src/engine/checks/)' },
  to: { path: '^src/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('shared'),
    only('formats', 'shared'),
    only('data', 'formats', 'shared'),
    only('vit', 'formats', 'shared'),
    only('dmlora', 'vit', 'shared'),
    only('engine', 'dmlora', 'vit', 'shared'),
    only('train', 'engine', 'dmlora', 'vit', 'shared'),
    only('storage', 'formats', 'shared'),
    only('hub', 'storage', 'formats', 'shared'),
    only('worker', 'train', 'engine', 'dmlora', 'vit', 'data', 'formats', 'storage', 'hub', 'shared'),
    {
      name: 'hub-package-in-hub',
      severity: 'error',
      comment: 'requests to the Hub are made in hub/ only, where the token is guarded',
      from: { path: '^src/', pathNot: '^src/hub/' },
      to: { path: 'node_modules/@huggingface/' },
    },
    {
      name: 'protocol-is-types',
      severity: 'error',
      comment: 'protocol.ts holds types: no code crosses with it',
      from: { path: '^src/worker/(protocol|client)\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(worker/protocol|shared/)', dependencyTypesNot: ['type-only'] },
    },
    only('state', 'worker', 'shared'),
    {
      name: 'state-sees-client-only',
      severity: 'error',
      from: { path: '^src/state/' },
      to: { path: '^src/worker/', pathNot: '^src/worker/(client|protocol)\\.ts$' },
    },
    only('ui', 'state', 'shared', 'worker'),
    {
      name: 'ui-sees-protocol-types',
      severity: 'error',
      comment: 'of the worker, ui/ knows the types of the protocol only',
      from: { path: '^src/ui/' },
      to: { path: '^src/worker/', pathNot: '^src/worker/protocol\\.ts$' },
    },
    {
      name: 'react-above',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(ui|state|main)' },
      to: { path: 'node_modules/(react|react-dom|zustand|uplot)/' },
    },
    {
      name: 'tfjs-in-autodiff',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/engine/' },
      to: { path: 'node_modules/@tensorflow/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    exclude: { path: '(^|/)dist/' },
  },
};
