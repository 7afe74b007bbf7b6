// Dropping anywhere on the window, or pasting: folders, zips, images, a model. The overlay counts enters and
// leaves, since both fire for every element on the way.
import { useEffect, useEffectEvent, useState } from 'react';
import type { Fault } from '../../shared/fault.ts';
import { useControls } from '../use-controls.ts';
import { useOpenFiles } from '../use-open-files.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { droppedIn, isTaken } from './dropped-files.ts';
import styles from './DropOverlay.module.css';

const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;

export function DropOverlay() {
  const { edit } = useControls();
  const { openAny, openDropped } = useOpenFiles();
  const [over, setOver] = useState(false);
  /** Over a part of the page that takes files by itself, and shows so. */
  const [overOther, setOverOther] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);

  const take = useEffectEvent(async (event: DragEvent | ClipboardEvent) => {
    if (!edit) {
      setFault({ kind: 'wrong-phase', command: 'open files', phase: 'under way' });
      return;
    }
    try {
      const dropped = await droppedIn(event);
      setFault(null);
      if (dropped.kind === 'handles') await openDropped(dropped.handles);
      else if (dropped.files.length > 0) openAny(dropped.files);
    } catch (thrown) {
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      setFault({ kind: 'bad-file', name: 'What was dropped', why: 'unreadable', detail });
    }
  });

  useEffect(() => {
    let depth = 0;
    const set = (next: number): void => {
      depth = Math.max(0, next);
      setOver(depth > 0);
    };
    const listeners = new AbortController();
    const { signal } = listeners;
    window.addEventListener('dragenter', (event) => carriesFiles(event) && set(depth + 1), { signal });
    window.addEventListener('dragleave', (event) => carriesFiles(event) && set(depth - 1), { signal });
    window.addEventListener(
      'dragover',
      (event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        setOverOther(isTaken(event));
      },
      { signal },
    );
    window.addEventListener(
      'drop',
      (event) => {
        if (!carriesFiles(event)) return;
        event.preventDefault();
        set(0);
        if (!isTaken(event)) void take(event);
      },
      { signal },
    );
    window.addEventListener(
      'paste',
      (event) => {
        if ((event.clipboardData?.files.length ?? 0) === 0 || isTaken(event)) return;
        event.preventDefault();
        void take(event);
      },
      { signal },
    );
    return () => listeners.abort();
  }, []);

  return (
    <>
      {over && !overOther && (
        <div className={styles.overlay} data-testid="drop-overlay">
          <div className={styles.words}>
            <p className={styles.title}>{edit ? 'Drop to open' : 'A run is under way'}</p>
            <p>
              {edit
                ? 'A folder with one folder a class, a zip or tar of it, or a model with its config.json. Nothing leaves this machine.'
                : 'Stop it first, then drop a model or images.'}
            </p>
          </div>
        </div>
      )}
      {fault !== null && !(fault.kind === 'wrong-phase' && edit) && (
        <div className={styles.fault}>
          <FaultBox fault={fault} onClose={() => setFault(null)} />
        </div>
      )}
    </>
  );
}
