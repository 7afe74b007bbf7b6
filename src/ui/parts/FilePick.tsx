// A button that opens a file or folder picker and hands over what was chosen, with paths inside the chosen
// folder; or the folder itself, where the browser can and somebody takes it: the list of a large one holds the page
// up.
import { useEffect, useRef, useState } from 'react';
import type { SourceFile } from '../../worker/protocol.ts';
import { Button } from './Button.tsx';
import styles from './FilePick.module.css';

interface FilePickProps {
  readonly label: string;
  readonly folder?: boolean;
  readonly multiple?: boolean;
  readonly accept?: string;
  readonly disabled?: boolean;
  readonly testId: string;
  readonly variant?: 'plain' | 'quiet';
  readonly onFiles: (files: readonly SourceFile[]) => void;
  readonly onFolder?: (folder: FileSystemDirectoryHandle) => void;
  /**
   * What else can be done with a folder. Chromium hands out no Downloads, Documents or home folder, and a
   * page hears only that its dialogue was closed.
   */
  readonly otherwise?: string;
}

/** The part of the File System Access API that picks a folder; Chromium has it. */
interface FolderPicker {
  showDirectoryPicker(options: { readonly id: string }): Promise<FileSystemDirectoryHandle>;
}

const canPick = (host: object): host is FolderPicker => 'showDirectoryPicker' in host;

export function FilePick(props: FilePickProps) {
  const {
    label,
    folder = false,
    multiple = false,
    accept,
    disabled = false,
    testId,
    variant = 'plain',
    onFiles,
    onFolder,
    otherwise,
  } = props;
  const input = useRef<HTMLInputElement>(null);
  const isPicking = useRef(false);
  const [isClosed, setClosed] = useState(false);
  // React has no property for it.
  useEffect(() => {
    if (folder) input.current?.setAttribute('webkitdirectory', '');
  }, [folder]);
  const pick = async (): Promise<void> => {
    const host: object = window;
    if (onFolder === undefined || !canPick(host)) {
      input.current?.click();
      return;
    }
    if (isPicking.current) return;
    isPicking.current = true;
    setClosed(false);
    try {
      onFolder(await host.showDirectoryPicker({ id: testId }));
    } catch (thrown) {
      // Closed without a choice. What may not be picked so, by a policy or in a frame, may be picked the other way.
      if (thrown instanceof DOMException && thrown.name === 'AbortError') setClosed(true);
      else input.current?.click();
    } finally {
      isPicking.current = false;
    }
  };
  return (
    <>
      <Button
        variant={variant}
        icon={folder ? 'folder' : 'file'}
        disabled={disabled}
        onClick={() => void pick()}
      >
        {label}
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        multiple={multiple || folder}
        accept={accept}
        disabled={disabled}
        aria-label={label}
        data-testid={testId}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])].map((file) => ({
            path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath,
            blob: file,
          }));
          // The same folder can be chosen again after it was put right.
          currentTarget.value = '';
          if (files.length > 0) onFiles(files);
        }}
      />
      {isClosed && otherwise !== undefined && (
        <p className={styles.otherwise} role="status">
          {otherwise}
        </p>
      )}
    </>
  );
}
