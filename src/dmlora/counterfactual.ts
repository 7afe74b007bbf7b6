// What the model would be were some of its branches off, dropped ones back, its scalars others: a value, and a
// pure function from it and an adapter to what an engine is asked with. Nothing is trained, and the adapter
// stays as it is.
import { assert, present } from '../shared/assert.ts';
import {
  paramNames,
  type AdaptedModule,
  type Adapter,
  type Branch,
  type Gates,
  type ModuleName,
} from './adapter.ts';

/** One branch by its number from the start. */
export interface BranchRef {
  readonly module: ModuleName;
  readonly branch: number;
}

export interface Counterfactual {
  /** Branches that add nothing. One that is not there may be named; it is off as it is. */
  readonly off: readonly BranchRef[];
  /** Dropped branches that are there again, as they were just before they left. */
  readonly restored: readonly BranchRef[];
  /** Scalars that have another value than the run gave them. */
  readonly scalars: ReadonlyMap<ModuleName, number>;
}

/** The run as it is. */
export const asItIs: Counterfactual = { off: [], restored: [], scalars: new Map() };

/** A branch that left its module. */
export interface Gone {
  readonly module: ModuleName;
  readonly branch: Branch;
}

const isAt =
  ({ module, branch }: BranchRef) =>
  (ref: BranchRef): boolean =>
    ref.module === module && ref.branch === branch;

/**
 * The adapter that an engine has to hold, and the gates that it is asked with. Where nothing but switches is
 * asked for that is the given adapter itself; branches that are off have gate 0, all others their own, so
 * that with all of them on the numbers are those of the adapter, bit for bit. Throws where a branch to bring
 * back is not among `gone`, or a scalar is no number or of no module.
 */
export function imagined(
  adapter: Adapter,
  gone: readonly Gone[],
  { off, restored, scalars }: Counterfactual,
): { readonly adapter: Adapter; readonly gates: Gates } {
  const back = restored.map((ref) =>
    present(
      gone.find(({ module, branch }) => isAt(ref)({ module, branch: branch.index })),
      `branch ${ref.branch} of ${ref.module}`,
    ),
  );
  for (const [name, scalar] of scalars) {
    assert(
      adapter.modules.some((module) => module.name === name),
      () => `${name} is no adapted layer`,
    );
    assert(Number.isFinite(scalar), () => `the scalar of ${name} is no number`);
  }
  const modules = adapter.modules.map((module): AdaptedModule => {
    const more = back.filter((one) => one.module === module.name).map(({ branch }) => branch);
    const scalar = scalars.get(module.name) ?? module.scalar;
    if (more.length === 0 && scalar === module.scalar) return module;
    const branches = [...module.branches, ...more].sort((a, b) => a.index - b.index);
    return { ...module, scalar, branches };
  });
  const changed = modules.some((module, i) => module !== adapter.modules[i]);
  // Nothing is trained with it: what modules shared may differ.
  const apart = modules.map((module) =>
    module.sharedScalar === undefined
      ? module
      : { ...module, sharedScalar: paramNames.scalar({ name: module.name }) },
  );
  const gates = new Map(
    modules.flatMap(({ name, branches }) => {
      const isOff = branches.map(({ index }) => off.some(isAt({ module: name, branch: index })));
      const open = branches.map(({ fading }, k) => (isOff[k] === true ? 0 : (fading?.gate ?? 1)));
      return isOff.includes(true) ? [[name, open] as const] : [];
    }),
  );
  // What is imagined is never trained, and a branch that is back has no moments to go with the others'.
  return { adapter: changed ? { ...adapter, modules: apart, moments: new Map() } : adapter, gates };
}

/** Of these branches all but some are off: what "only" means. */
export function allBut(branches: readonly BranchRef[], kept: readonly BranchRef[]): BranchRef[] {
  return branches.filter((branch) => !kept.some(isAt(branch)));
}

/**
 * With some branches switched on or off.
 *
 * @param wasDropped tells of a branch that it left the run: on, it is back; off, it is gone as before.
 */
export function switched(
  what: Counterfactual,
  refs: readonly BranchRef[],
  isOn: boolean,
  wasDropped: (ref: BranchRef) => boolean,
): Counterfactual {
  const [gone, live] = [refs.filter(wasDropped), refs.filter((ref) => !wasDropped(ref))];
  const [off, restored] = [allBut(what.off, live), allBut(what.restored, gone)];
  return {
    ...what,
    off: isOn ? off : [...off, ...live],
    restored: isOn ? [...restored, ...gone] : restored,
  };
}
