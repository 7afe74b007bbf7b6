// What files of the origin have in a worker, and TypeScript's library of pages does not know: for tests of a
// worker's code, which are compiled with that.
interface FileSystemSyncAccessHandle {
  write(buffer: AllowSharedBufferSource, options?: { at?: number }): number;
  read(buffer: AllowSharedBufferSource, options?: { at?: number }): number;
  truncate(newSize: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface FileSystemFileHandle {
  createSyncAccessHandle(): Promise<FileSystemSyncAccessHandle>;
}
