// A fault on its way out of the loop's depth.
import type { Fault } from '../shared/fault.ts';
import type { Result } from '../shared/result.ts';

/** Carries a fault out of the loop's depth to its one catch. */
export class RunFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.kind);
  }
}

/** The value of a result; throws its fault. */
export function must<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new RunFault(result.fault);
}
