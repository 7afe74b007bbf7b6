// A model that is tried as it is, without a run: the open one with its own classifier, one that was exported or
// that anybody brings, or what a saved run had learned. It has an engine of its own, made at the first question.
// Loaded when somebody asks.
import { loadHead } from '../checkpoints/checkpoint.ts';
import type { OpenModel } from '../checkpoints/open-model.ts';
import type { Adapter } from '../dmlora/adapter.ts';
import { lorasAlone } from '../dmlora/lora-start.ts';
import { asTried } from '../dmlora/tuned.ts';
import type { BackendChoice, Engine } from '../engine/engine.ts';
import { makeEngine } from '../engine/make-engine.ts';
import { imagesAtOnce } from '../export/proof-engine.ts';
import { faultOfThrown } from '../shared/describe-fault.ts';
import { yieldToEventLoop } from '../shared/event-loop.ts';
import { cancelled, isCancelled } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { logitsOf } from '../train/evaluation.ts';
import type { LabelledPixels } from '../train/training-data.ts';
import type { EngineParts } from './launch.ts';
import type { Answerer, Answers } from './trying.ts';

/** Images of one question at most. */
const most = 16;

/**
 * The classifier that a model has of its own, and its classes: that of the adapter that it is open with, or else
 * the checkpoint's; and what that adapter adds to its linears. A fault where there is none.
 */
export async function ownClassifier({
  title,
  file,
  header,
  checkpoint,
  start,
}: OpenModel): Promise<Result<{ readonly adapter: Adapter; readonly classes: readonly string[] }>> {
  const none = (detail: string): Result<never> =>
    fail({ kind: 'bad-file', name: title, why: 'no-classifier', detail });
  if (start?.hasUnnamedHead === true)
    return none('Nothing names the classes of the classifier that its adapter brings.');
  const brought = start?.head ?? null;
  const head = brought === null ? await loadHead(file, header, checkpoint) : ok(brought);
  if (!head.ok) return head;
  if (head.value === null)
    return none('It has no classifier, so there are no classes that it could answer with.');
  const { weight, bias } = head.value;
  const labels = (brought ?? checkpoint.head)?.labels ?? [];
  const count = bias.data.length;
  const classes =
    labels.length === count ? labels : Array.from({ length: count }, (_, index) => `class ${index}`);
  const modules = lorasAlone(start?.loras ?? []);
  return ok({ adapter: { modules, head: { weight, bias }, moments: new Map() }, classes });
}

export class TriedModel implements Answerer {
  #engine: Engine | null = null;
  /** Ends what the engine that goes is doing, or is being made for. */
  #ending = new AbortController();

  constructor(
    readonly model: OpenModel,
    private readonly adapter: Adapter,
    readonly classes: readonly string[],
    private readonly backend: BackendChoice,
    private readonly parts: EngineParts,
  ) {}

  get preprocessing(): OpenModel['preprocessing'] {
    return this.model.preprocessing;
  }

  /** A fault costs the engine: the next question gets a new one. */
  readonly answer = async (images: LabelledPixels, asker: AbortSignal): Promise<Result<Answers>> => {
    const ending = this.#ending.signal;
    const answers = await this.#answer(images, AbortSignal.any([asker, ending]));
    return ending.aborted ? fail(cancelled('try images')) : answers;
  };

  async #answer(images: LabelledPixels, signal: AbortSignal): Promise<Result<Answers>> {
    const engine = await this.#held(signal);
    if (!engine.ok) return engine;
    const atOnce = imagesAtOnce(engine.value, this.model.model.config, this.classes.length, most);
    const logits = await logitsOf(engine.value, images, atOnce, { between: yieldToEventLoop, signal }).catch(
      (thrown: unknown) => fail(faultOfThrown(thrown)),
    );
    if (!logits.ok && !isCancelled(logits.fault) && this.#engine === engine.value) this.#free();
    return logits.ok ? ok({ result: logits.value, probe: null, step: null }) : logits;
  }

  async #held(signal: AbortSignal): Promise<Result<Engine>> {
    if (this.#engine !== null) return ok(this.#engine);
    const { preprocessing } = this.model;
    const { model, adapter } = asTried(this.model.model, this.adapter);
    const asked = { engine: 'auto', backend: this.backend, config: model.config, batch: most } as const;
    const made = await makeEngine({ ...asked, signal, ...this.parts });
    if (!made.ok) return made;
    const options = { batch: most, classes: this.classes.length };
    const prepared = await made.value
      .prepare(model, adapter, preprocessing, options)
      .catch((thrown: unknown) => fail(faultOfThrown(thrown)));
    if (!prepared.ok || signal.aborted) {
      made.value.dispose();
      return prepared.ok ? fail(cancelled('try images')) : prepared;
    }
    this.#engine = made.value;
    return made;
  }

  /** Frees the engine, and ends what it is asked; the model stays. */
  dispose(): void {
    this.#ending.abort();
    this.#ending = new AbortController();
    this.#free();
  }

  #free(): void {
    this.#engine?.dispose();
    this.#engine = null;
  }
}
