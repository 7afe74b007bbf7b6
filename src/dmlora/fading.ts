// Branches that fade: from the step of their event on their gate falls linearly, and where it would be 0 they
// leave. What fades, and how far it is, stands in the adapter: whoever has it has the gates.
import type { Adapter, Branch, Fading, ModuleName } from './adapter.ts';
import type { DropEvent } from './drop-plan.ts';

/** The gate in a 0-based step: 1 in the step before which fading begins, and 1 / length in the last one. */
const gateIn = ({ from, until }: Fading, step: number): number =>
  Math.min(1, Math.max(0, (until - step) / (until - from)));

/** Whether the branches of an event fade before they leave. */
export const fades = ({ begin, step }: DropEvent): boolean => begin < step;

/** How many events have begun of which the branches have not left yet. */
export function fadingEvents({ modules }: Adapter): number {
  return Math.max(
    0,
    ...modules.map(({ branches }) => branches.filter(({ fading }) => fading !== undefined).length),
  );
}

const withBranches = (adapter: Adapter, change: (branch: Branch, module: ModuleName) => Branch): Adapter => ({
  ...adapter,
  modules: adapter.modules.map((module) => ({
    ...module,
    branches: module.branches.map((branch) => change(branch, module.name)),
  })),
});

/** The adapter in which these branches have begun to fade; every value stays as it is. */
export function beginFading(
  adapter: Adapter,
  { begin, step }: DropEvent,
  gone: ReadonlyMap<ModuleName, number>,
): Adapter {
  return withBranches(adapter, (branch, module) =>
    gone.get(module) === branch.index ? { ...branch, fading: { from: begin, until: step, gate: 1 } } : branch,
  );
}

/** The adapter with the gates of a 0-based step; itself where nothing fades. */
export function fadedTo(adapter: Adapter, step: number): Adapter {
  if (fadingEvents(adapter) === 0) return adapter;
  return withBranches(adapter, (branch) =>
    branch.fading === undefined
      ? branch
      : { ...branch, fading: { ...branch.fading, gate: gateIn(branch.fading, step) } },
  );
}

/** Of each module the branch that has faded longest: the one that leaves. */
export function fadedOut({ modules }: Adapter): ReadonlyMap<ModuleName, number> {
  return new Map(
    modules.flatMap(({ name, branches }) => {
      const [first] = branches
        .filter(({ fading }) => fading !== undefined)
        .sort((a, b) => (a.fading?.until ?? 0) - (b.fading?.until ?? 0));
      return first === undefined ? [] : [[name, first.index] as const];
    }),
  );
}
