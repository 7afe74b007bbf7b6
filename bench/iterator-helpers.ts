// Iterator helpers (ES2025) for Node 20: jax-js calls them, browsers and Node 22 have them.

type Source = Iterable<unknown>;
type Visit = (value: unknown, index: number) => unknown;

const helpers = {
  *map(this: Source, visit: Visit): Generator {
    let index = 0;
    for (const value of this) yield visit(value, index++);
  },
  *filter(this: Source, visit: Visit): Generator {
    let index = 0;
    for (const value of this) if (Boolean(visit(value, index++))) yield value;
  },
  *flatMap(this: Source, visit: (value: unknown, index: number) => Source): Generator {
    let index = 0;
    for (const value of this) yield* visit(value, index++);
  },
  toArray(this: Source): unknown[] {
    return [...this];
  },
  forEach(this: Source, visit: Visit): void {
    [...this].forEach((value, index) => visit(value, index));
  },
  some(this: Source, visit: Visit): boolean {
    return [...this].some((value, index) => Boolean(visit(value, index)));
  },
  every(this: Source, visit: Visit): boolean {
    return [...this].every((value, index) => Boolean(visit(value, index)));
  },
  find(this: Source, visit: Visit): unknown {
    return [...this].find((value, index) => Boolean(visit(value, index)));
  },
  reduce(this: Source, visit: (sum: unknown, value: unknown) => unknown, ...start: unknown[]): unknown {
    return start.length > 0 ? [...this].reduce(visit, start[0]) : [...this].reduce(visit);
  },
};

const prototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object;
for (const [name, value] of Object.entries(helpers))
  if (!(name in prototype))
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
