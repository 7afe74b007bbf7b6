// Hands a blob or a stream to the browser's downloads. Names are reduced to letters that no file system
// minds.

export function safeName(name: string): string {
  const safe = name.replace(/[^\w.-]+/g, '_').replace(/^[._]+|_+$/g, '');
  return safe === '' ? 'graft' : safe.slice(0, 80);
}

export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser may still be reading; a minute is plenty even for large weights.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The part of the File System Access API that streams to a file of the user's choice; Chromium has it. */
interface SavePicker {
  showSaveFilePicker(options: { readonly suggestedName: string }): Promise<FileSystemFileHandle>;
}

const canPick = (host: object): host is SavePicker => 'showSaveFilePicker' in host;

/** From this size on a file is streamed to disk where the browser can. */
const streamedFrom = 1_000_000_000;

/**
 * Saves what is made piece by piece: straight to disk when it is large and the browser can, else as a blob.
 *
 * @returns false when the user chose no file.
 */
export async function downloadStream(
  bytes: number,
  name: string,
  stream: () => ReadableStream<Uint8Array>,
  blob: () => Promise<Blob>,
): Promise<boolean> {
  if (bytes < streamedFrom || !canPick(window)) {
    download(await blob(), name);
    return true;
  }
  try {
    const file = await window.showSaveFilePicker({ suggestedName: name });
    await stream().pipeTo(await file.createWritable());
    return true;
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') return false;
    throw thrown;
  }
}
