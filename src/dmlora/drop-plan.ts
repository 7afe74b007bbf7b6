// When branches leave and which: the drop plan, a pure function of options, steps and seed. And the drop
// itself, a function from adapter to adapter.
import { randomStream } from '../shared/random.ts';
import { paramNames, type Adapter, type ModuleName } from './adapter.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';

export interface DropEvent {
  /** The event takes place when this many steps are done, before the 0-based step of the same number. */
  readonly step: number;
  /** The branch that leaves in each module. */
  readonly drops: ReadonlyMap<ModuleName, number>;
}

/**
 * The steps at which drops happen: K - K_end events over the window, the first at its begin and the last at
 * its end (one event alone lies in the middle). Between these they are equally spaced, or where half a
 * cosine, falling over the window from 1 to 0, has fallen by equal parts. Never before step 1, never after
 * the last step.
 */
export function dropSteps(options: DmloraOptions, steps: number): number[] {
  const events = options.dropMode === 'none' ? 0 : options.branches - options.branchesEnd;
  const [begin, end] = options.dropWindow;
  return Array.from({ length: events }, (_, i) => {
    const share =
      events === 1
        ? (begin + end) / 2
        : options.dropSpacing === 'cosine'
          ? begin + ((end - begin) * Math.acos(1 - (2 * i) / (events - 1))) / Math.PI
          : begin + ((end - begin) * i) / (events - 1);
    return Math.min(Math.max(1, Math.round(share * steps)), Math.max(1, steps - 1));
  });
}

/** The whole plan: at each event one live branch of every module, drawn from the module's own stream. */
export function dropPlan(
  modules: readonly ModuleName[],
  options: DmloraOptions,
  steps: number,
  seed: number,
): DropEvent[] {
  const live = new Map(modules.map((name) => [name, Array.from({ length: options.branches }, (_, k) => k)]));
  return dropSteps(options, steps).map((step, event) => ({
    step,
    drops: new Map(
      modules.map((name, position) => {
        const branches = live.get(name) ?? [];
        const pick = Math.floor(randomStream(seed, 'drop', position).uniform(event) * branches.length);
        const [gone = 0] = branches.splice(pick, 1);
        return [name, gone];
      }),
    ),
  }));
}

/**
 * The adapter without the branches of an event: A_k, B_k and their moments vanish, survivors and their
 * moments stay untouched and are not rescaled (the method's "permanent" drop with "zero").
 */
export function dropBranches(adapter: Adapter, drops: ReadonlyMap<ModuleName, number>): Adapter {
  const moments = new Map(adapter.moments);
  const modules = adapter.modules.map((module) => {
    const gone = drops.get(module.name);
    if (gone === undefined) return module;
    if (module.branches.length < 2) throw new Error(`${module.name} would lose its last branch`);
    moments.delete(paramNames.down(module.name, gone));
    moments.delete(paramNames.up(module.name, gone));
    return { ...module, branches: module.branches.filter(({ index }) => index !== gone) };
  });
  return { ...adapter, modules, moments };
}
