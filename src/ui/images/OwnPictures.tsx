// Classes of one's own: pictures from the camera while a button is held, pasted, dropped or chosen, and what the
// model will see of them. They are opened as a folder of class folders would be.
import {
  useCallback,
  useRef,
  useState,
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
} from 'react';
import type { Fault } from '../../shared/fault.ts';
import { useData } from '../../state/data-store.ts';
import { useModel } from '../../state/model-store.ts';
import {
  addClass,
  addPictures,
  emptyClass,
  markOpened,
  ownFiles,
  ownProblem,
  ownTitle,
  removeClass,
  renameClass,
  useOwnPictures,
  type OwnClass,
} from '../../state/own-pictures.ts';
import { plainText } from '../../shared/plain-text.ts';
import { filesOf } from '../drop/dropped-files.ts';
import { Button } from '../parts/Button.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { Camera } from '../try/Camera.tsx';
import { useControls } from '../use-controls.ts';
import { useOpenFiles } from '../use-open-files.ts';
import styles from './OwnPictures.module.css';

/** Pixels of a side that are kept of a camera's picture. */
const keptSide = 480;
/** Between two pictures that are recorded. */
const pauseMs = 90;
/** Of the pictures of a class, the last ones are shown. */
const shownPictures = 6;

export default function OwnPictures() {
  const classes = useOwnPictures((state) => state.classes);
  const areOpen = useOwnPictures((state) => state.opened === state.classes);
  const side = useModel((state) => state.model?.config.imageSize ?? 224);
  const { edit } = useControls();
  const open = useData((state) => state.data?.title ?? null);
  const { openImages } = useOpenFiles();
  const [on, setOn] = useState(false);
  const [mirrored, setMirrored] = useState(false);
  const [recording, setRecording] = useState<number | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  /** The camera asks between two renderings. */
  const recorded = useRef<number | null>(null);
  const seen = useRef<HTMLCanvasElement>(null);
  const problem = ownProblem(classes);
  const total = classes.reduce((sum, { pictures }) => sum + pictures.length, 0);

  function record(id: number | null): void {
    recorded.current = id;
    setRecording(id);
  }

  /** The button of one class ends what it began, and not what another one has begun since. */
  function hold(id: number, holds: boolean): void {
    if (holds) record(id);
    else if (recorded.current === id) record(null);
  }

  async function keep(blob: Blob): Promise<boolean> {
    const id = recorded.current;
    if (id !== null) addPictures(id, [{ path: 'camera.jpg', blob }]);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    return true;
  }

  function shot(video: HTMLVideoElement): Promise<Blob | null> {
    if (video.videoWidth === 0) return Promise.resolve(null);
    if (seen.current !== null) drawSquare(video, seen.current, side, mirrored);
    if (recorded.current === null) return Promise.resolve(null);
    const canvas = document.createElement('canvas');
    drawSquare(video, canvas, Math.min(keptSide, video.videoWidth, video.videoHeight), mirrored);
    return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.95));
  }

  const turnOff = (): void => {
    record(null);
    setOn(false);
  };
  return (
    <div className={styles.own} data-testid="own-pictures">
      <p className={styles.soft}>
        Name each class, turn the camera on, hold its object before it and keep its button pressed. Some 20
        pictures a class are enough to begin with. Turn the object meanwhile, and record each class in several
        goes: pictures of one moment are almost the same, and teach little.
      </p>
      <div className={styles.actions}>
        <Button aria-pressed={on} disabled={!edit} onClick={() => (on ? turnOff() : setOn(true))}>
          {on ? 'Turn the camera off' : 'Turn the camera on'}
        </Button>
        {on && (
          <label className={styles.check}>
            <input
              type="checkbox"
              checked={mirrored}
              onChange={({ currentTarget }) => setMirrored(currentTarget.checked)}
            />
            Mirrored
          </label>
        )}
      </div>
      {fault !== null && <FaultBox fault={fault} onClose={() => setFault(null)} />}
      {on && (
        <div className={styles.views}>
          <div className={styles.view} data-mirrored={mirrored ? true : undefined}>
            <Camera
              onFrame={keep}
              shot={shot}
              onFault={(what) => {
                turnOff();
                setFault(what);
              }}
              onHidden={turnOff}
            />
          </div>
          <figure className={styles.seen}>
            <canvas ref={seen} aria-label="What the model sees" />
            <figcaption>
              what the model sees, {side} x {side}
            </figcaption>
          </figure>
        </div>
      )}
      <ul className={styles.classes}>
        {classes.map((one) => (
          <ClassRow
            key={one.id}
            one={one}
            disabled={!edit}
            hold={on ? (holds) => hold(one.id, holds) : null}
            held={recording === one.id}
            onFault={setFault}
          />
        ))}
      </ul>
      <div className={styles.actions}>
        <Button variant="quiet" disabled={!edit} onClick={addClass}>
          Add a class
        </Button>
        <Button
          variant="primary"
          disabled={!edit || problem !== null}
          onClick={() => {
            turnOff();
            openImages(ownFiles(classes));
            markOpened();
          }}
        >
          Open {total === 1 ? 'this picture' : `these ${countText(total, 'picture')}`}
        </Button>
      </div>
      {total > 0 && problem !== null && <p className={styles.soft}>{problem}</p>}
      {total > 0 && problem === null && !(open === ownTitle && areOpen) && (
        <p className={styles.soft} data-testid="own-not-open">
          {open === ownTitle ? (
            'They have changed since they were opened: open them again to train on them as they are now.'
          ) : (
            <>
              Not open yet: until then Start trains on{' '}
              <bdi>{open === null ? 'nothing' : plainText(open, 80)}</bdi>.
            </>
          )}
        </p>
      )}
      {total > 0 && (
        <p className={styles.soft}>
          They are kept while this page is open. Once they are open, “Look through all of them” saves them as
          a zip.
        </p>
      )}
    </div>
  );
}

interface ClassRowProps {
  readonly one: OwnClass;
  readonly disabled: boolean;
  /** Begins and ends recording; null while the camera is off. */
  readonly hold: ((holds: boolean) => void) | null;
  readonly held: boolean;
  readonly onFault: (fault: Fault | null) => void;
}

function ClassRow({ one: { id, name, pictures }, disabled, hold, held, onFault }: ClassRowProps) {
  async function take(event: ClipboardEvent | DragEvent): Promise<void> {
    event.preventDefault();
    try {
      const files = await filesOf(event.nativeEvent);
      onFault(null);
      addPictures(id, files);
    } catch (thrown) {
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      onFault({ kind: 'bad-file', name: 'What was dropped', why: 'unreadable', detail });
    }
  }
  const byKey = ({ key, repeat }: KeyboardEvent, holds: boolean): void => {
    if (!repeat && (key === ' ' || key === 'Enter')) hold?.(holds);
  };
  const shown = name.trim() === '' ? 'this class' : name;
  const firstShown = Math.max(0, pictures.length - shownPictures);
  return (
    <li
      className={styles.class}
      data-takes-files
      data-held={held ? true : undefined}
      onPaste={(event) => {
        if (event.clipboardData.files.length > 0 && !disabled) void take(event);
      }}
      onDrop={(event) => {
        if (!disabled) void take(event);
      }}
      onDragOver={(event) => event.preventDefault()}
    >
      <input
        className={styles.name}
        aria-label="Name of the class"
        value={name}
        maxLength={100}
        disabled={disabled}
        onChange={({ currentTarget }) => renameClass(id, currentTarget.value)}
      />
      <output className={styles.count}>{wholeText(pictures.length)}</output>
      {hold !== null && (
        <Button
          aria-pressed={held}
          aria-label={`Hold to record ${shown}`}
          className={styles.hold}
          disabled={disabled}
          onPointerDown={({ currentTarget, pointerId }) => {
            currentTarget.setPointerCapture(pointerId);
            hold(true);
          }}
          onPointerUp={() => hold(false)}
          onPointerCancel={() => hold(false)}
          onLostPointerCapture={() => hold(false)}
          onBlur={() => hold(false)}
          onKeyDown={(event) => byKey(event, true)}
          onKeyUp={(event) => byKey(event, false)}
          onContextMenu={(event) => event.preventDefault()}
        >
          Hold to record
        </Button>
      )}
      <span className={styles.files}>
        <FilePick
          multiple
          variant="quiet"
          label="Add pictures"
          testId={`own-pick-${id}`}
          accept="image/*,.heic,.tif,.tiff"
          disabled={disabled}
          onFiles={(files) => addPictures(id, files)}
        />
        <Button
          variant="quiet"
          aria-label={pictures.length > 0 ? `Empty ${shown}` : `Remove ${shown}`}
          disabled={disabled}
          onClick={() => (pictures.length > 0 ? emptyClass(id) : removeClass(id))}
        >
          {pictures.length > 0 ? 'Empty' : 'Remove'}
        </Button>
        {pictures.length > 0 && (
          <span className={styles.last} aria-hidden="true">
            {pictures.slice(firstShown).map(({ blob }, i) => (
              <LastPicture key={firstShown + i} blob={blob} />
            ))}
          </span>
        )}
      </span>
    </li>
  );
}

/** What no browser decodes (TIFF, HEIC) is an empty square. */
function LastPicture({ blob }: { readonly blob: Blob }) {
  const show = useCallback(
    (image: HTMLImageElement) => {
      const url = URL.createObjectURL(blob);
      image.src = url;
      return () => URL.revokeObjectURL(url);
    },
    [blob],
  );
  return <img ref={show} alt="" />;
}

/** Draws the middle square of what the camera sees, `side` pixels wide. */
function drawSquare(
  video: HTMLVideoElement,
  canvas: HTMLCanvasElement,
  side: number,
  mirrored: boolean,
): void {
  const { videoWidth: width, videoHeight: height } = video;
  const square = Math.min(width, height);
  if (canvas.width !== side || canvas.height !== side) [canvas.width, canvas.height] = [side, side];
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.imageSmoothingQuality = 'high';
  context.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? side : 0, 0);
  context.drawImage(video, (width - square) / 2, (height - square) / 2, square, square, 0, 0, side, side);
}
