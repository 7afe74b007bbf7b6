// What the page asks the result of an ended run: what it answers to the images of its split, where it looks in
// one, and pictures of them. What comes when another run is there is dropped.
import { isCancelled } from '../shared/fault.ts';
import type { TrainerClient } from '../worker/client.ts';
import type { Result } from '../shared/result.ts';
import type {
  Commands,
  LookedAt,
  SourceFile,
  SplitName,
  Tried,
  TriedSource,
  TriedSummary,
} from '../worker/protocol.ts';
import { deviceStore } from './device-store.ts';
import { recipeStore } from './recipe-store.ts';
import { understandStore, type LookState } from './understand-store.ts';

type BranchQuestion = 'whatIf' | 'removals' | 'branchFigures';

export interface UnderstandActions {
  /** Asks about each image of a part of the split. */
  askAbout(set: SplitName): Promise<void>;
  /** Gives up what is being asked. */
  stopAsking(): void;
  /** Asks where the result and the model that it began with look in an image; what was asked before is given up. */
  lookAt(at: LookedAt): Promise<void>;
  /** Asks the run, or the model that was opened for it, about images that belong to no set. */
  tryImages(
    files: readonly SourceFile[],
    who: Commands['tryImages']['input']['who'],
    signal: AbortSignal,
  ): Promise<Result<Tried>>;
  /** Opens a model to be tried. */
  openToTry(from: TriedSource, signal: AbortSignal): Promise<Result<TriedSummary>>;
  /** The calibration error that answers so sure have by chance alone; null where nobody could say. */
  chanceError(confidence: Float64Array): Promise<number | null>;
  /** Asks about its branches. */
  askBranches<K extends BranchQuestion>(
    name: K,
    input: Commands[K]['input'],
    signal: AbortSignal,
  ): Promise<Result<Commands[K]['output']>>;
  /** Pictures of images of the run, by its ids. */
  loadRunThumbnails(images: readonly number[]): Promise<void>;
}

export function createUnderstanding(client: TrainerClient): UnderstandActions {
  let stop: AbortController | null = null;
  let others = new AbortController();
  let looking: AbortController | null = null;
  const requested = new Set<number>();

  return {
    async askAbout(set) {
      if (stop !== null) return;
      const own = new AbortController();
      stop = own;
      understandStore.setState(({ faults }) => ({ asking: set, faults: { ...faults, [set]: undefined } }));
      const reply = await client.call('ask', { set }, own.signal);
      stop = null;
      // That another run began took the question back.
      if (understandStore.getState().asking !== set) return;
      deviceStore.setState({ progress: null });
      if (reply.ok)
        understandStore.setState(({ answers }) => ({
          asking: null,
          answers: { ...answers, [set]: reply.value },
        }));
      else {
        const told = isCancelled(reply.fault) ? undefined : reply.fault;
        understandStore.setState(({ faults }) => ({ asking: null, faults: { ...faults, [set]: told } }));
      }
    },
    stopAsking() {
      stop?.abort();
      looking?.abort();
      others.abort();
      others = new AbortController();
    },
    async lookAt(at) {
      looking?.abort();
      const own = new AbortController();
      looking = own;
      const before = understandStore.getState().look;
      const isSame = before?.at.set === at.set && before.at.row === at.row;
      const look: LookState = { at, looked: isSame ? before.looked : null, isLooking: true, fault: null };
      understandStore.setState({ look });
      const reply = await client.call('look', at, own.signal);
      if (understandStore.getState().look !== look) return;
      understandStore.setState({
        look: reply.ok
          ? { ...look, looked: reply.value, isLooking: false }
          : { ...look, isLooking: false, fault: isCancelled(reply.fault) ? null : reply.fault },
      });
    },
    // The next run ends it, too.
    tryImages: (files, who, signal) =>
      client.call('tryImages', { files, who }, AbortSignal.any([signal, others.signal])),
    async openToTry(from, signal) {
      const { backend } = recipeStore.getState();
      const ending = AbortSignal.any([signal, others.signal]);
      const reply = await client.call('openToTry', { from, backend }, ending);
      deviceStore.setState({ progress: null });
      return reply;
    },
    async chanceError(confidence) {
      const reply = await client.call('chanceError', { confidence });
      return reply.ok ? reply.value : null;
    },
    askBranches: (name, input, signal) => client.call(name, input, AbortSignal.any([signal, others.signal])),
    async loadRunThumbnails(images) {
      const { thumbnails, answers } = understandStore.getState();
      const wanted = images.filter((image) => !thumbnails.has(image) && !requested.has(image));
      if (wanted.length === 0) return;
      for (const image of wanted) requested.add(image);
      const reply = await client.call('runThumbnails', { images: wanted });
      for (const image of wanted) requested.delete(image);
      if (!reply.ok || !sameRun(answers)) return;
      const made = new Map(reply.value.map(({ image, blob }) => [image, URL.createObjectURL(blob)]));
      understandStore.setState((state) => ({
        thumbnails: new Map([
          ...state.thumbnails,
          ...wanted.map((image) => [image, made.get(image) ?? null] as const),
        ]),
      }));
    },
  };
}

/** Whether the answers that are known are still those of the same run. */
function sameRun(before: object): boolean {
  const now: readonly unknown[] = Object.values(understandStore.getState().answers);
  return Object.values(before).every((answers) => now.includes(answers));
}
