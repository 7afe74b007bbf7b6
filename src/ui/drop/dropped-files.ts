// The files of a drop or a paste, folders opened, and who takes them: a part of the page that is marked takes
// its own, everything else is the page's (DropOverlay.tsx).
import { fromEvent } from 'file-selector';
import type { SourceFile } from '../../worker/protocol.ts';

/** Whether a part of the page takes the files of an event by itself (a card that is marked so). */
export function isTaken({ target }: Event): boolean {
  return target instanceof Element && target.closest('[data-takes-files]') !== null;
}

export async function filesOf(event: Event): Promise<SourceFile[]> {
  const found = await fromEvent(event);
  return found.flatMap((file) => ('relativePath' in file ? [{ path: file.relativePath, blob: file }] : []));
}
