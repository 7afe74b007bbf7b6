// Fault: everything that can go wrong for a user, as a union on `kind`, as values; the words of
// each are made in describe-fault.ts.

export type BadFileReason =
  | 'too-short'
  | 'header-length'
  | 'header-not-json'
  | 'header-too-big'
  | 'offsets'
  | 'shape'
  | 'dtype'
  | 'not-finite'
  | 'pickle'
  | 'other-format'
  | 'config-missing'
  | 'config-invalid'
  | 'weights-missing'
  | 'no-classifier'
  | 'adapter'
  | 'adapter-start'
  | 'shards'
  | 'shard-names'
  | 'unreadable'
  | 'not-a-zip'
  | 'other-archive'
  | 'table'
  | 'holds-model'
  | 'too-big'
  | 'no-checkpoint'
  | 'checkpoint-version'
  | 'checkpoint-damaged';

/** Why a repository of the Hugging Face Hub could not be read or written. */
export type HubReason =
  | 'bad-id'
  | 'bad-address'
  | 'bad-token'
  | 'not-found'
  | 'unauthorised'
  | 'gated'
  | 'forbidden'
  | 'rate-limited'
  | 'refused'
  | 'server'
  | 'unreachable'
  | 'blocked-by-policy'
  | 'not-the-hub'
  | 'short'
  | 'long'
  | 'pointer'
  | 'digest'
  | 'changed'
  | 'pickle-only'
  | 'no-model'
  | 'no-data-set'
  | 'in-use'
  | 'cancelled';

/** The settings whose size can make a run diverge. */
export type DivergingRate = 'learningRate' | 'headRate' | 'scalarRate';

/** A run that went back to a good state and on from there with a smaller rate. */
export interface RateChange {
  /** Steps that were done in that state. */
  readonly step: number;
  readonly field: DivergingRate;
  readonly from: number;
  readonly to: number;
}

/** Weights that a model could be opened from, where there are several. */
export interface WeightsChoice {
  /** Of the weights among the files that were given. */
  readonly path: string;
  /** Folder or file, for people. */
  readonly title: string;
  /** Size, kind, classes: what tells it from the others. */
  readonly about: string;
}

export type Fault =
  | {
      readonly kind: 'no-webgpu';
      readonly why: 'api-missing' | 'no-adapter' | 'insecure-context' | 'missing-limit' | 'wrong-results';
      readonly detail: string;
    }
  | {
      readonly kind: 'device-lost';
      readonly step: number;
      readonly detail: string;
      /** The step up to which the run is kept; what it did after that is done again. */
      readonly kept?: number;
      /** It came back and was lost once more, or did not come back. */
      readonly again?: true;
    }
  | {
      readonly kind: 'out-of-memory';
      readonly askedBytes: number;
      readonly detail: string;
      /** Images at once by which the run got over it. */
      readonly microBatch?: number;
      /** Not even one image at a time fits. */
      readonly oneImage?: true;
    }
  | { readonly kind: 'gpu-error'; readonly message: string; readonly step: number }
  | {
      readonly kind: 'not-finite';
      readonly where: string;
      readonly step: number;
      /** How the run goes on if it is resumed; without it there is no way. */
      readonly again?: RateChange;
    }
  | {
      readonly kind: 'diverged';
      /** Steps that were done when it was noticed. */
      readonly step: number;
      readonly why: 'far' | 'lost' | 'not-finite';
      /**
       * The loss by which it was noticed, and that before training; the first is null where it was not
       * finite.
       */
      readonly loss: number | null;
      readonly startLoss: number;
      /** The setting to lower. */
      readonly rate: { readonly field: DivergingRate; readonly now: number; readonly advised: number };
      /** The step whose validated state is the result of the run; null while the run goes on. */
      readonly keptStep: number | null;
    }
  | { readonly kind: 'bad-file'; readonly name: string; readonly why: BadFileReason; readonly detail: string }
  | {
      readonly kind: 'wrong-model';
      readonly expected: string;
      readonly found: string;
      readonly missing: readonly string[];
      readonly unexpected: readonly string[];
      /** What to do, where it is not to take another model. */
      readonly advice?: string;
    }
  /** An adapter without its base. */
  | { readonly kind: 'adapter-alone'; readonly base: string | null }
  | {
      readonly kind: 'which-model';
      readonly detail: string;
      readonly choices: readonly WeightsChoice[];
      /**
       * Path of the weights that are taken where nobody can be asked; null where none is better than the
       * others.
       */
      readonly byRule: string | null;
    }
  | {
      readonly kind: 'bad-dataset';
      readonly why:
        | 'one-class'
        | 'empty-class'
        | 'too-few'
        | 'none-usable'
        | 'no-folders'
        | 'no-labels'
        | 'no-reading'
        | 'too-many-classes';
      readonly detail: string;
    }
  /** A set that was taken away would be read as another one. */
  | { readonly kind: 'set-not-written'; readonly as: 'csv' | 'zip' }
  /** Files that were there when they were opened. */
  | {
      readonly kind: 'images-changed';
      readonly paths: readonly string[];
      /** Images that were to be read. */
      readonly of: number;
    }
  | {
      readonly kind: 'bad-recipe';
      readonly field: string;
      readonly detail: string;
      /** The field, or the choice in it, is none of this version's. */
      readonly unknown?: true;
    }
  /** A part of the page that is loaded when it is needed did not come. */
  | { readonly kind: 'part-missing'; readonly detail: string }
  | { readonly kind: 'network'; readonly url: string; readonly detail: string }
  | { readonly kind: 'hub'; readonly why: HubReason; readonly detail: string }
  | {
      readonly kind: 'storage';
      readonly why: 'quota' | 'locked' | 'unavailable' | 'corrupt';
      readonly detail: string;
      /** Bytes that were to be written, and bytes that are free, where they are known. */
      readonly needed?: number;
      readonly free?: number;
    }
  /** The images kept apart are measured once: nothing that could be chosen by is asked of them. */
  | { readonly kind: 'kept-apart'; readonly detail: string }
  /** Another tab of this browser trains. */
  | { readonly kind: 'other-tab' }
  /** A saved run cannot go on before something is opened again. */
  | { readonly kind: 'run-needs'; readonly what: 'images' | 'model'; readonly detail: string }
  | { readonly kind: 'wrong-phase'; readonly command: string; readonly phase: string }
  /** `restarted`: another one is there, and gets the same model and images. */
  | {
      readonly kind: 'worker-died';
      readonly detail: string;
      readonly restarted: boolean;
      /**
       * What becomes of the run that was under way: it is opened again by itself, or can be by the user, or is
       * lost. Without it there was none.
       */
      readonly run?: 'reopened' | 'saved' | 'lost';
    }
  | { readonly kind: 'protocol-mismatch'; readonly page: string; readonly worker: string }
  | {
      readonly kind: 'bug';
      readonly message: string;
      readonly stack?: string;
      /** Nobody waited for what failed: all else goes on. */
      readonly uncaught?: true;
    };

export type WorkerDied = Extract<Fault, { kind: 'worker-died' }>;

/** The fault of a command that the user stopped; nobody need show it. */
export const cancelled = (command: string): Fault => ({ kind: 'wrong-phase', command, phase: 'cancelled' });

/** Whether a fault is the user's own doing. */
export const isCancelled = (fault: Fault): boolean =>
  (fault.kind === 'hub' && fault.why === 'cancelled') ||
  (fault.kind === 'wrong-phase' && fault.phase === 'cancelled');

/**
 * Whether a fault of what the page asks by itself need be told where it was asked. That a thread ended is told
 * once for everything that was asked of it (trainer.ts), and the page asks again.
 */
export const isToldHere = (fault: Fault): boolean => !isCancelled(fault) && fault.kind !== 'worker-died';
