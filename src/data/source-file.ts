// SourceFile: one file of the pile that a user drops or picks, as bytes and a path. It knows nothing of the
// DOM's file lists; whoever collects them (the page, the headless command) makes these.

export interface SourceFile {
  /** Path with its folders, separated by '/', as the picker or the drop gave it. */
  readonly path: string;
  readonly blob: Blob;
  /** Why it could not be opened, as the browser names it; then the blob is empty. */
  readonly unread?: string;
}
