// The files of a source: those of the app's own origin (the embedded model and data sets) and of folders' handles
// as the same source files that a user's drop gives.
import { fail, ok, type Result } from '../shared/result.ts';
import { heldFiles, type Listing } from './held-files.ts';
import type { Source, SourceFile } from './protocol.ts';

/**
 * The files of a source; bundled ones are fetched and checked, since a missing file may answer 200 with a
 * page (F20).
 */
export async function filesOf(
  source: Exclude<Source, { kind: 'hub' }>,
  listing: Listing = {},
): Promise<Result<readonly SourceFile[]>> {
  if (source.kind === 'files') return ok(source.files);
  if (source.kind === 'handles') return heldFiles(source, listing);
  const files: SourceFile[] = [];
  for (const { path, url } of source.files) {
    try {
      const response = await fetch(url);
      const type = response.headers.get('content-type') ?? '';
      if (!response.ok || (type.startsWith('text/html') && !path.endsWith('.html')))
        return fail({ kind: 'network', url, detail: `the server answered ${response.status} ${type}` });
      files.push({ path, blob: await response.blob() });
    } catch (thrown) {
      return fail({ kind: 'network', url, detail: String(thrown) });
    }
  }
  return ok(files);
}
