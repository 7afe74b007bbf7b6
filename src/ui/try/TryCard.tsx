// Try the result on other images: dropped here, pasted, chosen, or from a camera. One image shows its classes
// beside the linear probe's, several show as a table that can be taken away. Nothing that is open is replaced.
import { useEffect, useEffectEvent, useMemo, useRef, useState } from 'react';
import { isCancelled, type Fault } from '../../shared/fault.ts';
import { useRun } from '../../state/run-store.ts';
import { useUnderstanding } from '../../state/understand-store.ts';
import { fitTemperature } from '../../understand/calibration.ts';
import type { SourceFile, TriedImage } from '../../worker/protocol.ts';
import { filesOf } from '../drop/dropped-files.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { durationText, wholeText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { Camera } from './Camera.tsx';
import { ClassBars } from './ClassBars.tsx';
import { TriedTable } from './TriedTable.tsx';
import styles from './Try.module.css';

/** Files that the worker is asked about at once: so long a cancel waits at most. */
const atOnce = 16;

interface Shown {
  readonly classes: readonly string[];
  readonly images: readonly TriedImage[];
  /** Of the first image. */
  readonly picture: Blob;
  readonly ms: number;
}

export default function TryCard() {
  const result = useRun((state) => state.result);
  const [shown, setShown] = useState<Shown | null>(null);
  const [progress, setProgress] = useState<{ readonly done: number; readonly total: number } | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const [live, setLive] = useState(false);
  const [tempered, setTempered] = useState(false);
  const stop = useRef<AbortController | null>(null);
  const card = useRef<HTMLElement>(null);
  const validation = useUnderstanding((state) => state.answers.validation);
  const fitted = useMemo(
    () =>
      validation === undefined ? null : fitTemperature({ ...validation, classes: validation.classes.length }),
    [validation],
  );
  const { exportModel } = useControls();
  const trainer = useTrainer();
  const temperature = tempered && fitted !== null ? fitted.temperature : 1;

  /** Asks about files, some at a time; what was asked before ends. True when all were answered. */
  async function ask(files: readonly SourceFile[], isLive = false): Promise<boolean> {
    const [first] = files;
    if (first === undefined) return false;
    stop.current?.abort();
    const own = new AbortController();
    stop.current = own;
    if (!isLive) {
      setLive(false);
      setProgress({ done: 0, total: files.length });
    }
    setFault(null);
    const images: TriedImage[] = [];
    for (let at = 0; at < files.length; at += atOnce) {
      const begunAt = performance.now();
      const reply = await trainer.tryImages(files.slice(at, at + atOnce), own.signal);
      if (stop.current !== own) return false;
      if (!reply.ok) {
        setProgress(null);
        if (!isCancelled(reply.fault)) {
          setFault(reply.fault);
          setLive(false);
        }
        return false;
      }
      images.push(...reply.value.images);
      setShown({
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

  const take = useEffectEvent(async (event: Event) => {
    event.preventDefault();
    if (!exportModel) return;
    try {
      await ask(await filesOf(event));
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

  if (result === null) return null;
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
      <div
        className={styles.zone}
        tabIndex={0}
        role="group"
        aria-label="Images to try: drop or paste them here"
        data-testid="try-zone"
      >
        <p>Drop images or a folder here, or paste one. The images that are open stay as they are.</p>
        <div className={styles.actions}>
          <FilePick
            label="Choose images"
            testId="try-files"
            multiple
            accept="image/*"
            disabled={!exportModel}
            onFiles={(files) => void ask(files)}
          />
          <FilePick
            folder
            label="Choose a folder"
            testId="try-folder"
            disabled={!exportModel}
            onFiles={(files) => void ask(files)}
          />
          <Button aria-pressed={live} disabled={!live && !exportModel} onClick={() => setLive(!live)}>
            {live ? 'Stop the camera' : 'Use the camera'}
          </Button>
        </div>
      </div>
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
      {shown !== null && fitted !== null && fitted.atLimit === null && (
        <label className={styles.check}>
          <input
            type="checkbox"
            checked={tempered}
            onChange={({ currentTarget }) => setTempered(currentTarget.checked)}
          />
          With the temperature {fitted.temperature.toFixed(2)}, which fits the validation images best
        </label>
      )}
      {shown !== null && shown.images.length === 1 && one !== undefined && (
        <div data-testid="tried" data-ms={Math.round(shown.ms)}>
          <ClassBars
            image={one}
            classes={shown.classes}
            picture={live ? null : shown.picture}
            temperature={temperature}
          />
          <p className={styles.soft}>Answered in {durationText(shown.ms / 1000)}.</p>
        </div>
      )}
      {shown !== null && shown.images.length > 1 && (
        <TriedTable images={shown.images} classes={shown.classes} temperature={temperature} />
      )}
    </Card>
  );
}
