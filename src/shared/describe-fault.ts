// The sentence that each fault becomes, what happened and what to do next: the only place where that text is made;
// and the error that carries a fault where nothing can be returned.
import { bytesInWords } from './bytes-in-words.ts';
import type { BadFileReason, DivergingRate, Fault, HubReason, RateChange } from './fault.ts';

export interface FaultText {
  /** What happened, in a few words. */
  readonly title: string;
  /** What exactly was found. */
  readonly detail: string;
  /** What the user can do now. */
  readonly advice: string;
}

const badFileAdvice: Record<BadFileReason, string> = {
  'too-short': 'The file is cut off: download it again.',
  'header-length': 'The file is cut off or is no safetensors file: download it again.',
  'header-not-json': 'The file is damaged or is no safetensors file: download it again.',
  'header-too-big': 'The file is damaged or is no safetensors file: download it again.',
  offsets: 'The file is damaged: download it again.',
  shape: 'The file is damaged: download it again.',
  dtype: 'Convert the weights to float32, float16 or bfloat16 and open them again.',
  'not-finite': 'These weights cannot be trained; take another checkpoint.',
  pickle:
    'Graft does not run pickled code. Convert the checkpoint to model.safetensors (on the Hugging Face Hub, a conversion bot does it) and open that.',
  'other-format': 'Open the model.safetensors of the checkpoint instead.',
  'config-missing': 'Open the config.json that belongs to the weights together with them.',
  'config-invalid': 'Take the config.json from the place where the weights come from.',
  'weights-missing': 'Open the model.safetensors of the checkpoint together with its config.json.',
  'no-classifier': 'Train it on images of your classes, or take a model that was trained to classify.',
  adapter:
    'Open the base that it was made for, then the adapter again; or merge it in Python with merge_and_unload() and open the result.',
  'adapter-start':
    'Merge it into its base instead: the button "Merge it", or --adapter-as merged in the command.',
  shards: 'Take all shards and the index from the same revision of the checkpoint.',
  'shard-names':
    'Put all shards into the folder of the index, and write their names without folders into its weight_map.',
  unreadable: 'Check that the file still exists and may be read, then open it again.',
  'not-a-zip': 'Open a .zip or .tar.gz with one folder a class, or the folder itself.',
  'other-archive': 'Unpack it and open the folder, or make a zip of that.',
  table:
    'Of tables Graft opens files that end in .parquet and hold images. Else save its pictures as files, one folder a class, and open that folder.',
  'holds-model': 'Open it with "or its files" in the card "Model", or by --model in the command.',
  'too-big': 'Make the file smaller or split it, then open it again.',
  'no-checkpoint': 'Open a file that “Save as file” of a run has written.',
  'checkpoint-version': 'Reload the page to get the newest version of Graft, and open the run with that.',
  'checkpoint-damaged':
    'Nothing of it was taken. Copy the file again from where it was saved, or go on from another one.',
};

const hubAdvice: Record<HubReason, string> = {
  'bad-id':
    'Write it as owner/name, like timm/vit_small_patch16_224.augreg_in21k, or paste the address of its page.',
  'bad-address': 'Give an address that begins with https://, or leave the field empty for huggingface.co.',
  'bad-token': 'Copy the token again from your settings on the Hub, or empty the field.',
  'not-found': 'Check the spelling, and the revision after the @ if there is one.',
  unauthorised:
    'Check the spelling; if the repository is private, or asks for terms to be accepted, give an access token of your account.',
  gated:
    'Accept the terms on the page of the repository, then try again with an access token of your account.',
  forbidden: 'Use a token that may do this: reading needs a read token, pushing a write token.',
  'rate-limited': 'Wait a little and try again; a token raises the limit.',
  refused: 'Try again later, or download the files from the page of the repository and open them from disk.',
  server: 'The trouble is on the side of the server: try again later.',
  unreachable: 'Check the connection and try again: what is already here is kept and not fetched again.',
  'blocked-by-policy':
    'Start Graft with GRAFT_HUB set to that address (GRAFT_HUB=https://… npm start): the policy of this page names every host it may talk to.',
  'not-the-hub':
    'Check the address of the mirror; a network that asks for a login first answers like this as well.',
  short: 'Try again: it goes on where it stopped.',
  long: 'Try again; if it stays so, take another mirror or download the files by hand.',
  pointer: 'The repository or mirror lacks the file itself: take another one, or download the files by hand.',
  digest: 'Nothing of it was kept. Try again; if it stays so, take another mirror.',
  changed: 'Try again to take the newer state.',
  'pickle-only':
    'Graft does not run pickled code. Use a repository with safetensors; on the Hub, the “Safetensors conversion” bot opens one as a pull request, which you can name as owner/name@refs/pr/N.',
  'no-model': 'Take a repository that holds a vision transformer.',
  'no-data-set':
    'Take a data set of images that the Hub shows as a table, or download its files and open them from disk.',
  'in-use': 'Open something else in its place first.',
  cancelled: 'What has been downloaded is kept: the next try goes on from there.',
};

const hubTitles: Partial<Record<HubReason, string>> = {
  'bad-id': 'This is not a name on the Hub',
  'bad-address': 'This address cannot be used',
  'bad-token': 'This token cannot be used',
  gated: 'This is behind terms of use',
  'rate-limited': 'The Hub asks to wait',
  'blocked-by-policy': 'This page may not talk to that host',
  'in-use': 'This is open',
  cancelled: 'Stopped',
};

const storageAdvice = {
  quota:
    'Delete runs (under “Take home”), models (under “Model”) or data sets of the Hub (under “Images”) that you no longer need, or free some disk space, and try again.',
  locked: 'Close other tabs with Graft and try again.',
  unavailable: 'Try again; in a private window, use an ordinary one.',
  corrupt: 'It was removed: try again.',
} as const;

const restartedRun = {
  none: '',
  lost: ' The run is lost: start it again when they are there.',
  reopened: ' The run is then opened again where it was last saved.',
  saved: ' The run is saved: it stands under Runs and goes on from there.',
} as const;

const rateWords: Record<DivergingRate, string> = {
  learningRate: 'the learning rate',
  headRate: 'the head’s share of the learning rate',
  scalarRate: 'the learning rate of the scalars',
};

/** "the learning rate ... (learningRate) 0.0003 instead of 0.003" */
export const changeInWords = ({ field, from, to }: RateChange): string =>
  `${rateWords[field]} (${field}) ${to} instead of ${from}`;

/** 51313.2 -> "51,313"; 2.3456 -> "2.346"; 0.00018 -> "1.8e-4". */
const lossWords = (loss: number): string =>
  loss >= 1e9 || loss < 0.01
    ? loss.toExponential(1)
    : loss.toLocaleString('en', { maximumFractionDigits: loss < 100 ? 3 : 0 });

function divergedText({
  step,
  why,
  loss,
  startLoss,
  rate,
  keptStep,
}: Extract<Fault, { kind: 'diverged' }>): FaultText {
  const found = loss === null ? '' : `${lossWords(loss)}, against ${lossWords(startLoss)} before training`;
  const noticed = {
    far: `By step ${step} the loss was ${found}.`,
    lost:
      `By step ${step} the model answered as if it did not see the images, ` +
      `with a validation loss of ${found}.`,
    'not-finite': `At step ${step} the loss or its gradient was no longer a finite number.`,
  }[why];
  const kept =
    keptStep === null
      ? ''
      : rate.field === 'scalarRate'
        ? ` The result is the state of step ${keptStep}, before the scalars learned.`
        : keptStep === 0
          ? ' The result is its best validated state, and that is the one before training: nothing was learned.'
          : ` The result is its best validated state, that of step ${keptStep}.`;
  const lower = `lower ${rateWords[rate.field]} (${rate.field}) from ${rate.now} to ${rate.advised}.`;
  return {
    title: keptStep === null ? 'This run is diverging' : 'This run diverged',
    detail: noticed + kept,
    advice: keptStep === null ? `Stop it and ${lower}` : `Start again and ${lower}`,
  };
}

/** What a lost device costs, and what to do. */
function lostAdvice({ step, kept, again }: Extract<Fault, { kind: 'device-lost' }>): string {
  if (kept === undefined) return 'Try again; if it is lost again, restart the browser.';
  const cost = step > kept ? `; the ${step - kept} after it are done again` : '';
  const state = `The run is kept as it was after ${kept} steps${cost}.`;
  return again === true
    ? `${state} Export it or stop it there, or resume: if the GPU does not stay, restart the browser, or the machine.`
    : `${state} It went on by itself.`;
}

/** The first few of many names, and how many more there are. */
export function shownSome(names: readonly string[]): string {
  return names.slice(0, 4).join(', ') + (names.length > 4 ? ` and ${names.length - 4} more` : '');
}

const list = (names: readonly string[]): string =>
  names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');

/** The words for a fault: title, detail and advice, in English. */
export function describeFault(fault: Fault): FaultText {
  switch (fault.kind) {
    case 'no-webgpu':
      return {
        title: fault.why === 'wrong-results' ? 'The GPU cannot be trusted' : 'WebGPU is not available',
        detail: fault.detail,
        advice:
          'Train on the processor instead (backend wasm), or use a current Chrome or Edge on this machine.',
      };
    case 'device-lost':
      return {
        title: `The GPU was lost at step ${fault.step}`,
        detail: fault.detail,
        advice: lostAdvice(fault),
      };
    case 'out-of-memory':
      return {
        title: 'There is too little memory',
        detail: fault.detail,
        advice:
          fault.oneImage === true
            ? 'Choose a smaller model or a smaller image size and start again.'
            : 'Choose a smaller batch or a smaller model and start again.',
      };
    case 'gpu-error':
      return {
        title: `The GPU refused step ${fault.step}`,
        detail: fault.message,
        advice:
          'The step was not applied. Update the browser or the graphics driver, or train with backend wasm.',
      };
    case 'not-finite':
      return {
        title: `${fault.where} is no longer a finite number at step ${fault.step}`,
        detail: 'The step was not applied; the weights are those of the step before.',
        advice:
          fault.again === undefined
            ? 'Start again with a learning rate ten times smaller.'
            : `Resume goes back to step ${fault.again.step}, the best validated state, and on from there with ${changeInWords(fault.again)}. Stop ends the run with that state.`,
      };
    case 'diverged':
      return divergedText(fault);
    case 'bad-file':
      return {
        title: `${fault.name} cannot be used`,
        detail: fault.detail,
        advice: badFileAdvice[fault.why],
      };
    case 'wrong-model': {
      const parts = [`Expected ${fault.expected}, found ${fault.found}.`];
      if (fault.missing.length > 0) parts.push(`Missing: ${list(fault.missing)}.`);
      if (fault.unexpected.length > 0) parts.push(`Unexpected: ${list(fault.unexpected)}.`);
      return {
        title: 'This is not a model that Graft can train',
        detail: parts.join(' '),
        advice:
          fault.advice ??
          'Open a plain vision transformer: ViT, DeiT, DINO, DINOv2, MAE, CLIP or SigLIP, in Hugging Face or timm names.',
      };
    }
    case 'adapter-alone': {
      const base = fault.base ?? 'a base that it does not name';
      return {
        title: 'This is a PEFT adapter, not a model',
        detail: `It is a PEFT adapter for ${base}: what was learned, without the weights that it adapts.`,
        advice: `Merge it first (merge_and_unload() in Python), or open its base${fault.base === null ? '' : ` ${fault.base}`}: it can then be merged into that, or be what training starts from.`,
      };
    }
    case 'which-model':
      return {
        title: 'Which model?',
        detail: `${fault.detail}: ${list(fault.choices.map(({ title, about }) => `${title} (${about})`))}.`,
        advice: 'Choose one, or open its folder alone.',
      };
    case 'bad-dataset':
      return {
        title: 'These images cannot be trained on',
        detail: fault.detail,
        advice:
          fault.why === 'no-reading'
            ? 'Choose one of these, or leave the choice to Graft.'
            : fault.why === 'no-labels'
              ? 'Put the images of each class into a folder of its own, inside train and test where there are such (train/cats, train/dogs), or add a table metadata.csv with the columns file_name and label.'
              : 'Give at least two classes with two images each: one folder a class, or a zip of such folders.',
      };
    case 'set-not-written':
      return {
        title: `The ${fault.as === 'csv' ? 'table' : 'zip'} was not written`,
        detail: 'Read again, it gave other images, labels or splits.',
        advice:
          fault.as === 'csv'
            ? "Names of classes like 1.0, nan or ['a'] mean something else in a table, and images of one path cannot be told apart in it. Rename them, or take the images as a zip."
            : 'Rename classes that are called like splits or numbers, and take it again.',
      };
    case 'images-changed':
      return {
        title: 'The images are not as they were when they were opened',
        detail: `${fault.paths.length} of ${fault.of} were moved, deleted or changed since: ${shownSome(fault.paths)}.`,
        advice: 'Open their folder again, where it is now, and start. Everything else stays as it is.',
      };
    case 'bad-recipe':
      return {
        title: `The setting "${fault.field}" cannot be used`,
        detail: fault.detail,
        advice: 'Correct it where it stands, in the settings or in the file of the recipe.',
      };
    case 'part-missing':
      return {
        title: 'A part of the page could not be loaded',
        detail: fault.detail,
        advice:
          'All else goes on. Check the connection and try again; if it does not come, reload the page once no run is under way.',
      };
    case 'network':
      return {
        title: 'A file could not be fetched',
        detail: `${fault.url}: ${fault.detail}`,
        advice: 'Check the connection and try again, or open the files from disk.',
      };
    case 'hub':
      return {
        title: hubTitles[fault.why] ?? 'The Hub did not give what was asked for',
        detail: fault.detail,
        advice: hubAdvice[fault.why],
      };
    case 'storage': {
      const room = [
        ...(fault.needed === undefined ? [] : [`${bytesInWords(fault.needed)} are needed`]),
        ...(fault.free === undefined ? [] : [`${bytesInWords(fault.free)} are free`]),
      ];
      return {
        title:
          fault.why === 'quota' ? 'There is too little room on the disk' : 'The browser’s storage failed',
        detail: [fault.detail, ...(room.length > 0 ? [`${room.join(', ')}.`] : [])].join(' '),
        advice: storageAdvice[fault.why],
      };
    }
    case 'kept-apart':
      return {
        title: 'The test images are not asked this',
        detail: fault.detail,
        advice: 'Ask the validation images instead.',
      };
    case 'other-tab':
      return {
        title: 'Another tab of Graft is training',
        detail:
          'Two runs at once would share one processor and its memory, and take more than twice the time.',
        advice: 'Watch it here, and start when it has ended; or stop it there.',
      };
    case 'run-needs':
      return {
        title: `This run needs its ${fault.what} again`,
        detail: fault.detail,
        advice: `Open ${fault.what === 'images' ? 'them' : 'it'} as before, then press Continue again: the run is kept.`,
      };
    case 'wrong-phase':
      return {
        title: `"${fault.command}" is not possible now`,
        detail: `The run is ${fault.phase}.`,
        advice: 'Wait for it, or stop the run first.',
      };
    case 'worker-died':
      return {
        title: 'The training thread ended',
        detail: fault.detail,
        advice: fault.restarted
          ? `It was started again, and opens the same model and images by itself.${restartedRun[fault.run ?? 'none']}`
          : 'Reload the page. If that does not help, use a current Chrome or Edge.',
      };
    case 'protocol-mismatch':
      return {
        title: 'The page and its training thread are of different versions',
        detail: `Page ${fault.page}, thread ${fault.worker}.`,
        advice: 'Reload the page.',
      };
    case 'bug':
      return {
        title: 'Graft made a mistake',
        detail: fault.message,
        advice:
          fault.uncaught === true
            ? 'What is open stays open, and a run goes on; only what failed is missing. Please report this text.'
            : 'What was open stays open. Please report this text.',
      };
    default:
      return fault satisfies never;
  }
}

/** One sentence for logs and the command line. */
export function faultSentence(fault: Fault): string {
  const { title, detail, advice } = describeFault(fault);
  return `${title}: ${detail}${/[.!?]$/.test(detail) ? '' : '.'} ${advice}`;
}

/** Carries a fault through code that cannot go on without what was refused, to the place that can tell it. */
export class FaultError extends Error {
  constructor(readonly fault: Fault) {
    super(faultSentence(fault));
  }
}

/** The fault of what was thrown where nobody waited for it. */
export function uncaughtFault(thrown: unknown): Fault {
  const fault = faultOfThrown(thrown);
  return fault.kind === 'bug' ? { ...fault, uncaught: true } : fault;
}

/**
 * How browsers say that an array found no memory: "Array buffer allocation failed" (Chromium), "could not allocate
 * memory" (a wasm memory), "Out of memory" (WebKit), "allocation size overflow" (Firefox).
 */
const noMemory = /allocat|out of memory/i;

/** The fault that was thrown; anything else that was is one of kind 'bug', but for memory that was not given. */
export function faultOfThrown(thrown: unknown): Fault {
  if (thrown instanceof FaultError) return thrown.fault;
  if (!(thrown instanceof Error)) return { kind: 'bug', message: String(thrown) };
  if ((thrown instanceof RangeError || thrown.name === 'InternalError') && noMemory.test(thrown.message))
    return { kind: 'out-of-memory', askedBytes: 0, detail: thrown.message };
  return thrown.stack === undefined
    ? { kind: 'bug', message: thrown.message }
    : { kind: 'bug', message: `${thrown.name}: ${thrown.message}`, stack: thrown.stack };
}
