// An engine whose device is lost at a chosen call: that call and all that follow answer with the fault, as
// those of a lost GPU do. Every call that waits for the device counts.
import type { Engine } from '../../engine/engine.ts';
import type { Fault } from '../../shared/fault.ts';
import { fail } from '../../shared/result.ts';

export interface Losing {
  readonly engine: Engine;
  /** The names of the calls so far, in order; the last one is that which was lost. */
  readonly calls: readonly string[];
}

/**
 * @param lostAt the 1-based number of the call that fails; null never does.
 * @param reported of the steps that wait for a report when it is the report that fails, so many are still
 *   confirmed.
 */
export function losingEngine(inner: Engine, lostAt: number | null, reported = 0): Losing {
  const calls: string[] = [];
  const fault: Fault = { kind: 'device-lost', step: 0, detail: 'taken away by the test' };
  let lost = false;
  const counted = async <T>(name: string, work: () => Promise<T>, broken: (whole: T) => T): Promise<T> => {
    const value = await work();
    if (lost) return broken(value);
    calls.push(name);
    lost = calls.length === lostAt;
    return lost ? broken(value) : value;
  };
  const refused = (): { readonly ok: false; readonly fault: Fault } => fail(fault);
  const engine: Engine = {
    describe: () => inner.describe(),
    prepare: (...given) => inner.prepare(...given),
    step: (batch, control) => inner.step(batch, control),
    report: (leave) =>
      counted(
        'report',
        () => inner.report(leave),
        ({ steps }) => ({ steps: steps.slice(0, reported), fault }),
      ),
    evaluate: (...given) => counted('evaluate', () => inner.evaluate(...given), refused),
    features: (...given) => counted('features', () => inner.features(...given), refused),
    loss: (...given) => counted('loss', () => inner.loss(...given), refused),
    gradients: (...given) => counted('gradients', () => inner.gradients(...given), refused),
    look: (...given) => counted('look', () => inner.look(...given), refused),
    readAdapter: () => counted('readAdapter', () => inner.readAdapter(), refused),
    writeAdapter: (adapter) => counted('writeAdapter', () => inner.writeAdapter(adapter), refused),
    memory: () => inner.memory(),
    memoryPlan: () => inner.memoryPlan(),
    release: () => inner.release(),
    dispose: () => inner.dispose(),
  };
  return { engine, calls };
}
