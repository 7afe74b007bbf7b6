// The camera, only while its button is pressed in: frame after frame is handed over, each when the one before
// is answered. Nothing is recorded, and its light goes out with this component.
import { useEffect, useEffectEvent, useRef } from 'react';
import type { Fault } from '../../shared/fault.ts';
import styles from './Try.module.css';

interface CameraProps {
  /** Done when the frame is answered; false ends the frames until the next one is wanted. */
  readonly onFrame: (frame: Blob) => Promise<boolean>;
  readonly onFault: (fault: Fault) => void;
  /** Takes a picture of the video; null for none now. The whole of it, without loss, by default. */
  readonly shot?: (video: HTMLVideoElement) => Promise<Blob | null>;
  /** The page is seen no longer. */
  readonly onHidden: () => void;
}

const reasons: Readonly<Record<string, string>> = {
  NotAllowedError: 'The browser or you did not allow it. Allow the camera for this page, and press again.',
  NotFoundError: 'No camera was found.',
  NotReadableError: 'Another program uses the camera.',
};

function cameraFault(thrown: unknown): Fault {
  const name = thrown instanceof Error ? thrown.name : '';
  const detail = reasons[name] ?? (thrown instanceof Error ? thrown.message : String(thrown));
  return { kind: 'bad-file', name: 'The camera', why: 'unreadable', detail };
}

export function Camera({ onFrame, onFault, onHidden, shot = frameOf }: CameraProps) {
  const video = useRef<HTMLVideoElement>(null);
  const frame = useEffectEvent(onFrame);
  const take = useEffectEvent(shot);
  const failed = useEffectEvent(onFault);
  const hidden = useEffectEvent(onHidden);
  useEffect(() => {
    const element = video.current;
    let ended = false;
    let stream: MediaStream | null = null;
    const run = async (): Promise<void> => {
      if (element === null) return;
      stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: 'environment', width: { ideal: 640 } },
      });
      // The button was pressed again while the browser asked: its light must not stay on.
      if (ended) {
        stopAll(stream);
        return;
      }
      element.srcObject = stream;
      stream.getVideoTracks()[0]?.addEventListener('ended', () => {
        if (!isOver()) failed(cameraFault(new Error('It was unplugged or taken away.')));
      });
      await element.play();
      while (!isOver()) {
        const blob = await take(element);
        if (blob === null || isOver() || !(await frame(blob))) await new Promise((r) => setTimeout(r, 200));
      }
    };
    const isOver = (): boolean => ended;
    run().catch((thrown: unknown) => {
      if (!ended) failed(cameraFault(thrown));
    });
    // Nobody looks, and its light would stay on.
    const hide = (): void => {
      if (document.hidden && !isOver()) hidden();
    };
    document.addEventListener('visibilitychange', hide);
    return () => {
      document.removeEventListener('visibilitychange', hide);
      ended = true;
      if (stream !== null) stopAll(stream);
    };
  }, []);
  return <video ref={video} className={styles.video} muted playsInline aria-label="What the camera sees" />;
}

function stopAll(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** The picture of this moment, without loss: it is prepared like any other image. */
function frameOf(video: HTMLVideoElement): Promise<Blob | null> {
  const { videoWidth: width, videoHeight: height } = video;
  if (width === 0) return Promise.resolve(null);
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext('2d')?.drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
