// What a check of the reference vectors is made with: an engine, the folder, a tolerance. For tests only.
import type { Adapter } from '../../dmlora/adapter.ts';
import { unwrap } from '../../shared/result.ts';
import type { Engine, PrepareOptions } from '../engine.ts';
import type { Tolerance } from './close.ts';
import { identityNormalisation, readMicroModel, type ReadFile } from './reference.ts';

type MakeEngine = () => Promise<Engine>;

/**
 * What a check is made with, and how far an engine may be from float64: `slack` times what a float32 program
 * on a CPU reaches.
 */
export interface Setting {
  readonly makeEngine: MakeEngine;
  readonly read: ReadFile;
  readonly slack: number;
  /** How the engine is prepared beside batch and classes: a plan that is not its own choice. */
  readonly shapes?: Partial<PrepareOptions>;
}

/** A measured figure of a check, for reports. */
export type Figures = Record<string, number>;

export async function prepared(setting: Setting, adapter: Adapter, shapes: PrepareOptions): Promise<Engine> {
  const engine = await setting.makeEngine();
  const model = await readMicroModel(setting.read);
  const all = { ...shapes, ...setting.shapes };
  unwrap(await engine.prepare(model, adapter, identityNormalisation, all));
  return engine;
}

export const times = ({ abs, rel }: Tolerance, slack: number): Tolerance => ({
  abs: abs * slack,
  rel: rel * slack,
});
