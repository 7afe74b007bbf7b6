// A button that opens a file or folder picker and hands over what was chosen, with paths inside the chosen
// folder.
import { useEffect, useRef } from 'react';
import type { SourceFile } from '../../worker/protocol.ts';
import { Button } from './Button.tsx';

interface FilePickProps {
  readonly label: string;
  readonly folder?: boolean;
  readonly multiple?: boolean;
  readonly accept?: string;
  readonly disabled?: boolean;
  readonly testId: string;
  readonly variant?: 'plain' | 'quiet';
  readonly onFiles: (files: readonly SourceFile[]) => void;
}

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
  } = props;
  const input = useRef<HTMLInputElement>(null);
  // React has no property for it.
  useEffect(() => {
    if (folder) input.current?.setAttribute('webkitdirectory', '');
  }, [folder]);
  return (
    <>
      <Button
        variant={variant}
        icon={folder ? 'folder' : 'file'}
        disabled={disabled}
        onClick={() => input.current?.click()}
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
    </>
  );
}
