// For scripts/setup/build-name.mjs: what it said when this was packed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

export const buildName = () => readFileSync(join(root, 'commit.txt'), 'utf8').trim();
