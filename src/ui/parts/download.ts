// Hands a blob to the browser's downloads. Names are reduced to letters that no file system minds.

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
