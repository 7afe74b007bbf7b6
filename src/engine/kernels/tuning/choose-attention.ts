// How many threads share a row of attention, forward and backward, from what a workbench measures: what was
// remembered, else a trial of all that the device and the width of the heads allow.
import type { VitConfig } from '../../../vit/vit-config.ts';
import { widthsOf } from '../memory/widths.ts';
import type { Attention } from '../shaders/attention.ts';
import { canShare } from '../shaders/attention-shared.ts';
import type { AttentionTimes, AttentionWorkbench } from './attention-bench.ts';
import type { Tuning } from './tuning.ts';

type Split = Attention['split'];
type Direction = keyof AttentionTimes;

export interface AttentionChoice {
  readonly split: Tuning['attentionSplit'];
  /** In words, by what was chosen for; for memory and the record of a run. */
  readonly names: ReadonlyMap<string, string>;
  /** Those of them that were measured now. */
  readonly measured: ReadonlyMap<string, string>;
}

/** Another number of threads must be so much faster than the preset: below, it is noise. */
const margin = 0.97;
/** Floats of q, k and v in a trial; more images change no rank. */
const mostFloats = 2 ** 22;

const nameOf = (split: Split): string => (split === 1 ? 'a thread a row' : `${split} threads a row`);

/** The shapes of a trial, all that this device can run. */
export function attentionTrials(
  config: VitConfig,
  images: number,
  { attentionSplit, attentionThreads }: Tuning,
  lanes: number,
): readonly Attention[] {
  const { tokens, heads, headWidth } = widthsOf(config, images, 1);
  const most = Math.max(1, Math.floor(mostFloats / (3 * tokens * heads * headWidth)));
  // The preset first, in case the time runs out.
  const splits = Math.max(...attentionSplit) === 1 ? [] : ([4, 1, 2, 8] as const);
  return splits
    .filter((split) => split <= lanes && canShare(headWidth, split))
    .map((split) => ({
      images: Math.min(images, most),
      tokens,
      queryTokens: tokens,
      heads,
      headWidth,
      scale: 1 / Math.sqrt(config.dim / config.heads),
      storage: 'f32',
      queries: 1,
      threads: attentionThreads[split > 1 ? 1 : 0],
      quads: false,
      split,
    }));
}

/**
 * Chooses among `trials`; where nothing was measured the preset stays and is not remembered.
 *
 * @param known names by what was chosen for, of earlier.
 */
export async function chooseAttention(
  trials: readonly Attention[],
  { attentionSplit: preset }: Pick<Tuning, 'attentionSplit'>,
  known: ReadonlyMap<string, string>,
  bench: AttentionWorkbench,
  deadline: number,
  signal?: AbortSignal,
): Promise<AttentionChoice> {
  const [first] = trials;
  if (first === undefined) return { split: preset, names: new Map(), measured: new Map() };
  const { images, tokens, heads, headWidth } = first;
  const keyOf = (direction: Direction): string =>
    `attention ${direction}, ${images} x ${tokens} tokens, ${heads} x ${headWidth}`;
  const remembered = (direction: Direction): Split | undefined =>
    trials.find(({ split }) => nameOf(split) === known.get(keyOf(direction)))?.split;
  let [forward, backward] = [remembered('forward'), remembered('backward')];
  const measured = new Map<string, string>();
  if ((forward === undefined || backward === undefined) && signal?.aborted !== true) {
    const times = await bench.measure(trials, deadline, signal);
    const fastest = (direction: Direction, own: Split): Split | undefined => {
      const ms = trials.flatMap(({ split }, i) => {
        const time = times[i]?.[direction] ?? null;
        return time === null || !(time > 0) ? [] : [{ split, time }];
      });
      const best = ms.reduce<(typeof ms)[number] | undefined>(
        (a, b) => (a === undefined || b.time < a.time ? b : a),
        undefined,
      );
      const kept = ms.find(({ split }) => split === own);
      const chosen = kept !== undefined && best !== undefined && best.time > kept.time * margin ? kept : best;
      if (chosen !== undefined) measured.set(keyOf(direction), nameOf(chosen.split));
      return chosen?.split;
    };
    forward = fastest('forward', preset[0]) ?? forward;
    backward = fastest('backward', preset[1]) ?? backward;
  }
  const split = [forward ?? preset[0], backward ?? preset[1]] as const;
  const names = new Map([
    [keyOf('forward'), nameOf(split[0])],
    [keyOf('backward'), nameOf(split[1])],
  ]);
  return { split, names, measured };
}
