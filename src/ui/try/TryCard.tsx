// Try a model on other images: dropped here, pasted, chosen, or from a camera. One image shows its classes
// (those of a run beside the linear probe's), several show as a table that can be taken away. A model that is
// dropped here answers from then on. Nothing that is open is replaced.
import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { isCancelled, type Fault } from '../../shared/fault.ts';
import { useRun } from '../../state/run-store.ts';
import { plainText } from '../../shared/plain-text.ts';
import { probabilitiesOf } from '../../understand/answers.ts';
import { pileTitle, sortPile } from '../../shared/file-pile.ts';
import type { Recipe } from '../../recipe/options.ts';
import type { Result } from '../../shared/result.ts';
import type { SourceFile, TriedImage, TriedSummary } from '../../worker/protocol.ts';
import { filesOf } from '../drop/dropped-files.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { cx } from '../parts/cx.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { intoSight } from '../parts/into-sight.ts';
import { durationText, percentText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useTemperature } from '../understand/use-temperature.ts';
import { Camera } from './Camera.tsx';
import { ClassBars } from './ClassBars.tsx';
import { TriedTable } from './TriedTable.tsx';
import { useWhoAnswers, WhoAnswers, type Brought, type Who } from './WhoAnswers.tsx';
import styles from './Try.module.css';

/** Files that the worker is asked about at once: so long a cancel waits at most. */
const atOnce = 16;

interface Shown {
  /** Who answered, in words, and whether that was a run. */
  readonly by: string;
  readonly byRun: boolean;
  /** Whether it was the result of the run that had ended, not an earlier state. */
  readonly byResult: boolean;
  /** Recipe of the run that was there: another run has another. */
  readonly during: Recipe | null;
  readonly classes: readonly string[];
  readonly images: readonly TriedImage[];
  /** Of the first image. */
  readonly picture: Blob;
  readonly ms: number;
}

export default function TryCard() {
  const finished = useRun(({ phase }) => phase.kind === 'finished');
  const isGoing = useRun(
    ({ phase: { kind } }) => kind !== 'idle' && kind !== 'finished' && kind !== 'failed',
  );
  const [brought, setBrought] = useState<Brought | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const all = useWhoAnswers(brought);
  const who = all.find(({ key }) => key === chosen) ?? all[0] ?? null;
  /** The model that the worker holds to be tried. */
  const opened = useRef<{ readonly of: Who; readonly summary: TriedSummary } | null>(null);
  const during = useRun(({ summary }) => summary?.recipe ?? null);
  const [answered, setShown] = useState<Shown | null>(null);
  // What a run answered goes with it.
  const shown = answered?.byRun === true && answered.during !== during ? null : answered;
  const [progress, setProgress] = useState<{ readonly done: number; readonly total: number } | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const [live, setLive] = useState(false);
  const [tempered, setTempered] = useState(false);
  const stop = useRef<AbortController | null>(null);
  const card = useRef<HTMLElement>(null);
  const fitted = useTemperature();
  const trainer = useTrainer();
  /** Of the answers that are shown; null where none fits, and for another answerer. */
  const fitting = shown?.byResult === true && fitted?.atLimit === null ? fitted.temperature : null;
  const temperature = tempered && fitting !== null ? fitting : 1;
  // A run that begins, or goes on, takes the memory of the model that was tried.
  const [wasGoing, setWasGoing] = useState(isGoing);
  if (isGoing !== wasGoing) {
    setWasGoing(isGoing);
    if (isGoing) setChosen(null);
  }
  useEffect(() => {
    if (isGoing) opened.current = null;
  }, [isGoing]);

  /** Has the worker hold a model, unless it does. */
  async function open(one: Who, signal: AbortSignal): Promise<Result<TriedSummary | null>> {
    if (one.source === null) return { ok: true, value: null };
    const held = opened.current;
    if (held?.of.key === one.key && held.of.of === one.of) return { ok: true, value: held.summary };
    const reply = await trainer.openToTry(one.source, signal);
    if (reply.ok) opened.current = { of: one, summary: reply.value };
    return reply;
  }

  /** Takes a model to be tried from now on. */
  async function bring(files: Brought): Promise<void> {
    const own = new AbortController();
    stop.current?.abort();
    stop.current = own;
    setLive(false);
    setProgress(null);
    setFault(null);
    const title = pileTitle(files);
    const one: Who = { key: 'brought', title, source: { kind: 'files', title, files }, of: files };
    const reply = await open(one, own.signal);
    if (stop.current !== own) return;
    if (!reply.ok) {
      if (!isCancelled(reply.fault)) setFault(reply.fault);
      return;
    }
    setBrought(files);
    setChosen('brought');
    setShown(null);
  }

  /** Asks about files, some at a time; what was asked before ends. True when all were answered. */
  async function ask(files: readonly SourceFile[], isLive = false): Promise<boolean> {
    const [first] = files;
    if (first === undefined || who === null) return false;
    stop.current?.abort();
    const own = new AbortController();
    stop.current = own;
    if (!isLive) {
      setLive(false);
      setProgress({ done: 0, total: files.length });
    }
    setFault(null);
    const images: TriedImage[] = [];
    const answerer = await open(who, own.signal);
    if (stop.current !== own) return false;
    if (!answerer.ok) {
      setProgress(null);
      setLive(false);
      if (!isCancelled(answerer.fault)) setFault(answerer.fault);
      return false;
    }
    const byRun = answerer.value === null;
    for (let at = 0; at < files.length; at += atOnce) {
      const begunAt = performance.now();
      const some = files.slice(at, at + atOnce);
      const reply = await trainer.tryImages(some, byRun ? 'run' : 'model', own.signal);
      if (stop.current !== own) return false;
      if (!reply.ok) {
        setProgress(null);
        // Another worker holds no model.
        opened.current = null;
        if (!isCancelled(reply.fault)) {
          setFault(reply.fault);
          setLive(false);
        }
        return false;
      }
      images.push(...reply.value.images);
      setShown({
        by: answeredBy(answerer.value, reply.value.step, finished),
        byRun,
        byResult: byRun && finished,
        during,
        classes: reply.value.classes,
        images: [...images],
        picture: first.blob,
        ms: performance.now() - begunAt,
      });
      if (!isLive) setProgress({ done: images.length, total: files.length });
    }
    setProgress(null);
    return true;
  }

  function choose(key: string): void {
    stop.current?.abort();
    stop.current = null;
    setLive(false);
    setProgress(null);
    setFault(null);
    setShown(null);
    setChosen(key);
  }

  const take = useEffectEvent(async (event: Event) => {
    event.preventDefault();
    try {
      const files = await filesOf(event);
      if (isModel(files)) await bring(files);
      else await ask(files);
    } catch (thrown) {
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      setFault({ kind: 'bad-file', name: 'What was dropped', why: 'unreadable', detail });
    }
  });

  useEffect(() => {
    const element = card.current;
    if (element === null) return;
    const listeners = new AbortController();
    const { signal } = listeners;
    const over = (is: boolean) => (): void => void element.toggleAttribute('data-over', is);
    element.addEventListener('dragover', over(true), { signal });
    element.addEventListener('dragleave', over(false), { signal });
    for (const name of ['drop', 'paste'] as const)
      element.addEventListener(
        name,
        (event) => {
          over(false)();
          void take(event);
        },
        { signal },
      );
    return () => listeners.abort();
  }, []);
  // The camera is off when nobody sees what it sees; images that are being asked about go on behind.
  useEffect(() => () => setLive(false), []);

  const canAsk = who !== null;
  const [one] = shown?.images ?? [];
  return (
    <Card
      ref={card}
      takesFiles
      className={styles.card}
      title="Try it"
      id="try"
      aside="on images that it has never seen"
    >
      <WhoAnswers all={all} who={who} onChoose={choose} onBring={(files) => void bring(files)} />
      <div
        className={styles.zone}
        tabIndex={0}
        role="group"
        aria-label="Images to try: drop or paste them here"
        data-testid="try-zone"
      >
        <p>
          Drop images or a folder here, or paste one; or drop a model, and it answers. What is open stays as
          it is.
        </p>
        <div className={styles.actions}>
          <FilePick
            label="Choose images"
            testId="try-files"
            multiple
            accept="image/*"
            disabled={!canAsk}
            onFiles={(files) => void ask(files)}
          />
          <FilePick
            folder
            label="Choose a folder"
            testId="try-folder"
            disabled={!canAsk}
            onFiles={(files) => void ask(files)}
          />
          <Button aria-pressed={live} disabled={!live && !canAsk} onClick={() => setLive(!live)}>
            {live ? 'Stop the camera' : 'Use the camera'}
          </Button>
        </div>
      </div>
      {progress !== null && progress.total > 1 && (
        <div className={styles.actions}>
          <span role="status" className={styles.soft}>
            {wholeText(progress.done)} of {wholeText(progress.total)} images
          </span>
          <Button
            onClick={() => {
              stop.current?.abort();
              setProgress(null);
            }}
          >
            Cancel
          </Button>
        </div>
      )}
      {fault !== null && (
        <FaultBox fault={fault}>
          <Button onClick={() => setFault(null)}>Close</Button>
        </FaultBox>
      )}
      {fitting !== null && (
        <label className={styles.check}>
          <input
            type="checkbox"
            checked={tempered}
            onChange={({ currentTarget }) => setTempered(currentTarget.checked)}
          />
          With the temperature {fitting.toFixed(2)}, which fits the validation images best
        </label>
      )}
      <p role="status" className={styles.hidden}>
        {shown !== null && shown.images.length === 1 && one !== undefined && !live
          ? spoken(one, shown.classes, temperature)
          : ''}
      </p>
      <div
        className={cx(live && styles.live)}
        // In sight, on a phone too.
        ref={live ? intoSight : null}
      >
        {live && (
          <Camera
            onFrame={(blob) => ask([{ path: 'camera.png', blob }], true)}
            onFault={(why) => {
              setLive(false);
              setFault(why);
            }}
            onHidden={() => setLive(false)}
          />
        )}
        {shown !== null && shown.images.length === 1 && one !== undefined && (
          <div data-testid="tried" data-ms={Math.round(shown.ms)}>
            <ClassBars
              image={one}
              classes={shown.classes}
              byRun={shown.byRun}
              picture={live ? null : shown.picture}
              live={live}
              temperature={temperature}
            />
            <p className={styles.soft}>
              Answered in {durationText(shown.ms / 1000)} by <bdi data-testid="answered-by">{shown.by}</bdi>.
            </p>
          </div>
        )}
      </div>
      {shown !== null && shown.images.length > 1 && (
        <>
          <p className={styles.soft}>
            Answered by <bdi data-testid="answered-by">{shown.by}</bdi>.
          </p>
          <TriedTable images={shown.images} classes={shown.classes} temperature={temperature} />
        </>
      )}
    </Card>
  );
}

/** Whoever answered, in words. */
function answeredBy(model: TriedSummary | null, step: number | null, finished: boolean): string {
  if (model !== null) return model.step === null ? model.title : `${model.title}, as of step ${model.step}`;
  if (finished || step === null) return 'the result of the run';
  return `the run as of step ${step}`;
}

/** The likeliest class of an image, to be read out. */
function spoken({ path, logits, why }: TriedImage, classes: readonly string[], temperature: number): string {
  const name = plainText(path, 120);
  if (logits === null) return `${name} was not asked about: ${why ?? ''}`;
  const probabilities = probabilitiesOf(logits, temperature);
  const most = probabilities.reduce((a, b) => Math.max(a, b), 0);
  return `${name}: ${plainText(classes[probabilities.indexOf(most)] ?? '', 80)}, ${percentText(most)}`;
}

/** Whether files are a model; an archive is taken for one, since images in one cannot be tried. */
function isModel(files: readonly SourceFile[]): boolean {
  const [only] = files;
  const isArchive = files.length === 1 && /\.(?:zip|tar|tar\.gz|tgz)$/i.test(only?.path ?? '');
  return isArchive || sortPile(files).model.length > 0;
}
