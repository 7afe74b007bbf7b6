// Result: how modules hand over a success or a Fault. Inside a module a fault may be thrown; otherwise a
// throw is for bugs only (see assert.ts).
import { FaultError } from './describe-fault.ts';
import type { Fault } from './fault.ts';

export type Result<T, F = Fault> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: F };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function fail<F>(fault: F): { readonly ok: false; readonly fault: F } {
  return { ok: false, fault };
}

/** The value of a result; throws its fault as a FaultError. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new FaultError(result.fault);
}
