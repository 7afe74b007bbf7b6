// Lint: strict types, no escape hatches, and the bans that faults.md's measurements ask for.
import tseslint from 'typescript-eslint';
import reactHooks from 'eslint-plugin-react-hooks';

const syncReads = ['dataSync', 'arraySync', 'bufferSync'].map((property) => ({
  property,
  message:
    'On a live WebGPU device a synchronous read returns zeros and kills the device (fault F4): await data().',
}));

export default tseslint.config(
  {
    ignores: [
      'dist',
      'node_modules',
      'public',
      'testdata',
      'scripts/pretrain',
      'test-results',
      'playwright-report',
      '.cache',
      'src/**/assembly', // AssemblyScript: its compiler is what checks it
    ],
  },
  ...tseslint.configs.strictTypeChecked.map((config) => ({ ...config, files: ['**/*.ts', '**/*.tsx'] })),
  {
    files: ['**/*.ts', '**/*.tsx'],
    languageOptions: {
      parserOptions: { project: ['./tsconfig.app.json', './tsconfig.worker.json', './tsconfig.node.json'] },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'no-restricted-properties': ['error', ...syncReads],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'JSXAttribute[name.name="dangerouslySetInnerHTML"]',
          message: 'Labels are text, never markup (fault D4).',
        },
        { selector: 'TSEnumDeclaration', message: 'Use a union of string literals.' },
      ],
      'max-lines': ['error', { max: 600, skipBlankLines: false, skipComments: false }],
    },
  },
  { files: ['src/ui/**', 'src/state/**', 'src/playground/**'], ...reactHooks.configs.flat.recommended },
  { files: ['src/**/*.test.ts', 'e2e/**'], rules: { '@typescript-eslint/no-non-null-assertion': 'off' } },
);
