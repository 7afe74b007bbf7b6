// Engines for tests in Node: tfjs on cpu and wasm, and the reference folder on disk.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AutodiffEngine } from '../autodiff/autodiff-engine.ts';
import { startBackend } from '../autodiff/backend.ts';
import type { BackendName, Engine } from '../engine.ts';
import type { ReadFile } from './reference.ts';
import { unwrap } from '../../shared/result.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const wasmBinary = createRequire(import.meta.url).resolve(
  '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm',
);

/** The folder of reference vectors: GRAFT_REFERENCE, or the one that ships with the tests. */
export const referenceFolder = path.resolve(root, process.env['GRAFT_REFERENCE'] ?? 'testdata/reference');

export function readerOf(folder: string): ReadFile {
  return async (name) => new Blob([await readFile(path.join(folder, name))]);
}

export const readReference: ReadFile = readerOf(referenceFolder);

/** A maker of autodiff engines on one backend. */
export function autodiffOn(backend: BackendName): () => Promise<Engine> {
  return async () => new AutodiffEngine(unwrap(await startBackend(backend, wasmBinary)));
}
