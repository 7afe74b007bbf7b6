// What the result of an ended run answers to images: those of its own split, each part asked once and kept.
// Never touches the run. Loaded when somebody asks.
import type { SplitName } from '../data/import-report.ts';
import { present } from '../shared/assert.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { SetAnswers } from './protocol.ts';
import type { ResultEngine } from './result-engine.ts';

export class Asking {
  readonly #answers = new Map<SplitName, SetAnswers>();

  constructor(private readonly engine: ResultEngine) {}

  /** What it answers to each image of a part of the split, in the order of the split. */
  async answers(
    set: SplitName,
    signal: AbortSignal,
    onProgress: (done: number, total: number) => void,
  ): Promise<Result<SetAnswers>> {
    const known = this.#answers.get(set);
    if (known !== undefined) return ok(known);
    const { data, images } = this.engine.ended;
    const asked = data[set];
    if (asked === null)
      return fail({
        kind: 'bad-dataset',
        why: 'none-usable',
        detail: 'No images were kept apart for a test.',
      });
    const total = asked.labels.length;
    let done = 0;
    onProgress(done, total);
    const logits = await this.engine.logits(asked, signal, (answered) => {
      done += answered;
      onProgress(done, total);
    });
    if (!logits.ok) return logits;
    const ids = images.split[set];
    const answers: SetAnswers = {
      set,
      classes: data.classes,
      labels: asked.labels,
      logits: logits.value.data,
      images: ids,
      paths: ids.map((id) => present(images.images[id], 'image').path),
    };
    this.#answers.set(set, answers);
    return ok(answers);
  }
}
