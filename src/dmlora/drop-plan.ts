// When branches leave and which: the drop plan, a pure function of options, steps and seed, or what the branches
// are when it is time. And the drop itself, a function from adapter to adapter.
import { assert } from '../shared/assert.ts';
import { randomStream } from '../shared/random.ts';
import { paramNames, type AdaptedModule, type Adapter, type ModuleName } from './adapter.ts';
import { branchStrengths } from './merge.ts';
import { stackedUpdate } from './stacked-lora.ts';
import { stage2Step } from './stages.ts';
import { svdFold } from './svd-fold.ts';
import { cosinesOf, productsOf } from './updates.ts';
import { dropPlacesIn } from '../recipe/drop-places.ts';
import type { DmloraOptions } from '../recipe/recipe.ts';

export interface DropEvent {
  /** The branches leave when this many steps are done, before the 0-based step of the same number. */
  readonly step: number;
  /** The same of where they begin to fade; `step` where they do not. */
  readonly begin: number;
  /** The branch that leaves in each module, where chance says which. */
  readonly drops: ReadonlyMap<ModuleName, number>;
}

/**
 * The steps at which drops happen: K - K_end events over the window, the first at its begin and the last at
 * its end (one event alone lies in the middle). Between these they are equally spaced, or where half a
 * cosine, falling over the window from 1 to 0, has fallen by equal parts. Or where the recipe names a place for
 * each. Never before step 1, never after the last step. Branches that fade leave so much later, before the stage
 * or the run ends.
 */
export function dropSteps(options: DmloraOptions, steps: number): number[] {
  return dropTimes(options, steps).map(({ step }) => step);
}

function dropTimes(options: DmloraOptions, steps: number): Pick<DropEvent, 'begin' | 'step'>[] {
  const events = options.dropMode === 'permanent' ? options.branches - options.branchesEnd : 0;
  const within = (step: number): number => Math.min(Math.max(1, Math.round(step)), Math.max(1, steps - 1));
  const length = options.dropEffect === 'fade' ? options.fadeSteps : 0;
  const stage2 = stage2Step(options, steps);
  return beginnings(options, events, steps).map((place) => {
    const begin = within(place);
    const latest = Math.min(begin < stage2 ? stage2 : steps, steps - 1);
    return { begin, step: Math.max(begin, Math.min(begin + length, latest)) };
  });
}

/** Where the events begin, in steps, before they are rounded. */
function beginnings(options: DmloraOptions, events: number, steps: number): number[] {
  const [first, last] = options.dropWindow;
  if (options.dropSpacing === 'steps')
    return (dropPlacesIn(options.dropSteps) ?? [])
      .slice(0, events)
      .map(({ kind, value }) => (kind === 'share' ? value * steps : value));
  return Array.from({ length: events }, (_, i) => {
    const share =
      events === 1
        ? (first + last) / 2
        : options.dropSpacing === 'cosine'
          ? first + ((last - first) * Math.acos(1 - (2 * i) / (events - 1))) / Math.PI
          : first + ((last - first) * i) / (events - 1);
    return share * steps;
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
  return dropTimes(options, steps).map((times, event) => ({
    ...times,
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
 * The branch that leaves each module at an event: the one that the plan drew, or of those that live the first
 * (all began at once: the oldest is the one of the smallest number), or the one of the smallest update s B A,
 * or the weaker one of the two whose updates are most alike by |cosine|. One that adds nothing is like any
 * other. Of equals the first. What fades already is not chosen again. What is chosen by measuring is
 * train/removal-costs.ts.
 */
export function leavingBranches(
  { modules }: Adapter,
  { drops }: Pick<DropEvent, 'drops'>,
  pick: Exclude<DmloraOptions['dropPick'], 'cheapest'>,
): ReadonlyMap<ModuleName, number> {
  if (pick === 'random') return drops;
  return new Map(
    modules
      .filter(({ name }) => drops.has(name))
      .map(({ branches, ...rest }) => {
        const module = { ...rest, branches: branches.filter(({ fading }) => fading === undefined) };
        const place = pick === 'oldest' ? 0 : pick === 'smallest' ? weakestOf(module) : mostAlike(module);
        return [module.name, module.branches[place]?.index ?? 0];
      }),
  );
}

/** The place of the weakest branch, among those of these places. */
function weakestOf(module: AdaptedModule, places: readonly number[] = [...module.branches.keys()]): number {
  const strengths = branchStrengths(module);
  return places.reduce((least, place) => ((strengths[place] ?? 0) < (strengths[least] ?? 0) ? place : least));
}

function mostAlike(module: AdaptedModule): number {
  const cosines = cosinesOf(productsOf(module.branches));
  const alike = (a: number, b: number): number => Math.abs(cosines[a]?.[b] ?? NaN);
  const pairs = module.branches.flatMap((_, a) => Array.from({ length: a }, (_, b) => [b, a] as const));
  const nothing = pairs.find(([a, b]) => Number.isNaN(alike(a, b)));
  if (nothing !== undefined) return weakestOf(module);
  return weakestOf(
    module,
    pairs.reduce((most, pair) => (alike(...pair) > alike(...most) ? pair : most)),
  );
}

/**
 * The adapter without the branches of an event: A_k, B_k and their moments vanish. Survivors and their
 * moments stay untouched and are not rescaled; what the leaving one added is lost (`zero`, `fade`), or lies
 * in the frozen weight from now on, with the scalar that it had (`absorb`). Or the survivors take it over as
 * well as they can and begin with fresh moments, since theirs were of other numbers (`svd-fold`).
 */
export function dropBranches(
  adapter: Adapter,
  drops: ReadonlyMap<ModuleName, number>,
  effect: DmloraOptions['dropEffect'] = 'zero',
): Adapter {
  const moments = new Map(adapter.moments);
  const modules = adapter.modules.map((module) => {
    const gone = drops.get(module.name);
    if (gone === undefined) return module;
    assert(module.crossed !== true, () => `${module.name} is crossed: its branches stay`);
    if (module.branches.length < 2) throw new Error(`${module.name} would lose its last branch`);
    for (const { index } of module.branches)
      if (index === gone || effect === 'svd-fold') {
        moments.delete(paramNames.down(module.name, index));
        moments.delete(paramNames.up(module.name, index));
      }
    if (effect === 'svd-fold') return { ...module, branches: svdFold(module.branches, gone) };
    const part = (leaves: boolean): AdaptedModule => ({
      ...module,
      branches: module.branches.filter(({ index }) => (index === gone) === leaves),
    });
    return effect === 'absorb' ? { ...part(false), absorbed: stackedUpdate(part(true)) } : part(false);
  });
  return { ...adapter, modules, moments };
}
