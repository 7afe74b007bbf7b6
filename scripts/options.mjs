// `npm run options`: writes the parts of README.md and continue.py that follow from the table of options.
import './setup/node-version.mjs';
import { readFile, writeFile } from 'node:fs/promises';
import { appModule } from './setup/app-module.mjs';
import { root } from './setup/paths.mjs';

/** @type {typeof import('./options/documents.ts')} */
const { parts, written } = await appModule('scripts/options/documents.ts');
for (const part of parts) {
  const text = await readFile(root + part.file, 'utf8');
  const now = written(text, part);
  if (now !== text) await writeFile(root + part.file, now);
  console.error(`${part.file}: ${now === text ? 'as the table says' : 'written'}`);
}
