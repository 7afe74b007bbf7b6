// Which engine runs: the one place that knows them all.
import wasmBinary from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { ok, type Result } from '../shared/result.ts';
import { AutodiffEngine } from './autodiff/autodiff-engine.ts';
import { startBackend } from './autodiff/backend.ts';
import type { BackendName, Engine, EngineName } from './engine.ts';

export type EngineChoice = 'auto' | EngineName;
export type BackendChoice = 'auto' | BackendName;

/** Starts an engine on a backend; `auto` takes WebGPU where there is a real GPU and wasm otherwise. */
export async function makeEngine(_engine: EngineChoice, backend: BackendChoice): Promise<Result<Engine>> {
  const started = await startBackend(backend, new URL(wasmBinary, import.meta.url).href);
  return started.ok ? ok(new AutodiffEngine(started.value)) : started;
}
