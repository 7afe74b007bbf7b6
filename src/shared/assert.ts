// Assertions: for states that only a bug of ours can produce. The top of the worker turns what they throw
// into a fault of kind 'bug'; bad input from outside never comes through here.

class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws an AssertionError with the message unless the condition holds. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message());
}

/** Gives the value, or throws when it is null or undefined; `what` names it in the message. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionError(`${what} is missing`);
  return value;
}
