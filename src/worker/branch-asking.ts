// What the branches of an ended run are for: its answers were some of them off or others back, what the removal
// of each costs, how alike they are. Never touches the run. Loaded when somebody asks.
import type { AdaptedModule, Adapter } from '../dmlora/adapter.ts';
import { asItIs, imagined, type BranchRef, type Counterfactual } from '../dmlora/counterfactual.ts';
import { contributions, pairedForm } from '../dmlora/crossed.ts';
import { branchStrengths } from '../dmlora/merge.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { cancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { pairedChange } from '../understand/paired.ts';
import { closenessOf, cosinesOf, effectiveRank, productsOf, singularValues } from '../dmlora/updates.ts';
import { imagesOf, type Asking } from './asking.ts';
import type { BranchFigures, ModuleFigures, Removal, Removals, SplitName } from './protocol.ts';
import type { ResultEngine } from './result-engine.ts';

/** After so long an answer is given, and the page asks for the next part: a switch does not wait for all. */
const partMs = 300;

export class BranchAsking {
  #figures: BranchFigures | null = null;

  constructor(
    private readonly engine: ResultEngine,
    private readonly asking: Asking,
  ) {}

  /** Logits [images, classes] of a part of the split, in its order; the images kept apart are refused. */
  async whatIf(set: SplitName, what: Counterfactual, signal: AbortSignal): Promise<Result<Float32Array>> {
    if (set === 'test')
      return fail({
        kind: 'kept-apart',
        detail: 'They are measured once, for the result. Whoever tries branches by them chooses by them.',
      });
    const { run, data } = this.engine.ended;
    const images = imagesOf(data, set);
    if (!images.ok) return images;
    const now = imagined(run.adapter, run.state.dropped, what);
    const logits = await this.engine.logits(images.value, signal, undefined, now);
    return logits.ok ? ok(logits.value.data) : logits;
  }

  /**
   * What it costs on the validation images to switch off each module, then each branch of those that have
   * several: some of them, from a place in that order on.
   */
  async removals(from: number, signal: AbortSignal): Promise<Result<Removals>> {
    const { run, data } = this.engine.ended;
    const all = removable(run.adapter);
    const answers = await this.asking.answers('validation', signal, () => undefined);
    if (!answers.ok) return answers;
    const { labels } = data.validation;
    const asked = { labels, classes: data.classes.length };
    const costs: Removal[] = [];
    const begunAt = performance.now();
    for (const { module, branch, off } of all.slice(from)) {
      const logits = await this.whatIf('validation', { ...asItIs, off }, signal);
      if (!logits.ok) return logits;
      const before = { ...asked, logits: answers.value.logits };
      costs.push({ module, branch, change: pairedChange(before, { ...asked, logits: logits.value }) });
      if (performance.now() - begunAt > partMs) break;
    }
    return ok({ costs, total: all.length });
  }

  /** How alike the branches of each module are, and the effective rank of its update. */
  async figures(signal: AbortSignal): Promise<Result<BranchFigures>> {
    if (this.#figures !== null) return ok(this.#figures);
    const { adapter, dropped } = this.engine.ended.run.state;
    const modules: ModuleFigures[] = [];
    for (const module of adapter.modules) {
      if (signal.aborted) return fail(cancelled('look at the branches'));
      modules.push(figuresOf(module));
      await yieldToEventLoop();
    }
    const left = dropped.map(({ branch, ...figures }) => ({ ...figures, branch: branch.index }));
    this.#figures = { modules, dropped: left };
    return ok(this.#figures);
  }
}

function figuresOf(module: AdaptedModule): ModuleFigures {
  const { name, branches } = module;
  const products = productsOf(contributions(module));
  // All of them together, in as few directions as they have.
  const together = productsOf(pairedForm(module).module.branches);
  const cosines = cosinesOf(products);
  const closeness = closenessOf(cosines);
  const strengths = branchStrengths(module);
  const [first] = branches;
  const directions = together.rows.length;
  return {
    module: name,
    rank: effectiveRank(singularValues(together)),
    mostRank: Math.min(directions, first?.A.shape[1] ?? 0, first?.B.shape[0] ?? 0),
    branches: branches.map(({ index }, k) => ({
      branch: index,
      strength: strengths[k] ?? 0,
      rank: effectiveRank(singularValues(products, [k])),
      closeness: closeness[k] ?? NaN,
      cosines: [...(cosines[k] ?? [])],
    })),
  };
}

interface Removable {
  readonly module: string;
  readonly branch: number | null;
  readonly off: readonly BranchRef[];
}

/** The one branch of a module is the module. */
function removable({ modules }: Adapter): Removable[] {
  const whole = modules.map(({ name, branches }): Removable => {
    const off = branches.map(({ index }) => ({ module: name, branch: index }));
    return { module: name, branch: null, off };
  });
  const parts = whole.flatMap(({ module, off }) =>
    off.length < 2 ? [] : off.map((ref): Removable => ({ module, branch: ref.branch, off: [ref] })),
  );
  return [...whole, ...parts];
}
