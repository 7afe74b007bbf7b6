// One file of a repository into the cache: streamed, counted, gone on with after a break, tried again a few
// times. Every way in which a server can lie ends in a fault, and in a cache that is as it was before or
// holds the whole file.
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import type { ModelCache, Snapshot } from '../storage/model-cache.ts';
import type { ExpectedFile, PartialFile } from '../storage/partial-file.ts';
import { faultOfFetch, hubFault, refusalOf, request, retryAfterOf, type HubAccess } from './hub-fetch.ts';
import { impostorOf } from './needed-files.ts';

/** Waits between tries, in ms. */
const waits = [500, 1500, 4000];
/** A longer wait that a server asks for is the user's to decide. */
const longestWaitSeconds = 5;

export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

export const wait: Wait = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });

/** What one try came to: whole, worth another try (after so many ms), or not. */
type Attempt =
  | { readonly kind: 'whole' }
  | { readonly kind: 'again'; readonly fault: Fault; readonly waitMs?: number }
  | { readonly kind: 'fault'; readonly fault: Fault; readonly keep: boolean };

/**
 * Downloads one file, or takes it from the cache.
 *
 * @param onBytes is told how many of its bytes are here, again and again
 */
export async function downloadFile(
  access: HubAccess,
  cache: ModelCache,
  snapshot: Snapshot,
  file: ExpectedFile,
  onBytes: (bytes: number) => void,
  pause: Wait = wait,
): Promise<Result<Blob>> {
  const cached = await cache.read(snapshot, file.path, file.bytes);
  if (!cached.ok) return cached;
  if (cached.value !== null) {
    onBytes(file.bytes);
    return ok(cached.value);
  }
  const opened = await cache.openPart(snapshot, file);
  if (!opened.ok) return opened;
  const part = opened.value;
  const kind = cache.folder === 'datasets' ? 'datasets/' : '';
  const url = `${access.base}/${kind}${snapshot.id}/resolve/${snapshot.commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`;
  let failures = 0;
  let plain = false;
  let most = part.received;
  for (;;) {
    onBytes(part.received);
    const before = part.received;
    const attempt = await attemptOnce(access, url, part, plain, onBytes);
    if (attempt.kind === 'whole') return part.finish();
    if (attempt.kind === 'fault') {
      await letGo(part, attempt.keep);
      return fail(attempt.fault);
    }
    // A break further on than ever is a new beginning: only tries in vain count.
    failures = part.received > most ? 1 : failures + 1;
    most = Math.max(most, part.received);
    // A host may refuse ranges to web pages and still give the whole file.
    if (before > 0 && part.received === before) plain = true;
    const waitMs = attempt.waitMs ?? waits[failures - 1];
    if (failures > waits.length || waitMs === undefined || access.signal.aborted) {
      await letGo(part, true);
      return fail(access.signal.aborted ? faultOfFetch(null, url, access.signal) : attempt.fault);
    }
    await pause(waitMs, access.signal);
  }
}

/** Of what is worth going on with, the part stays; an empty one is none. */
async function letGo(part: PartialFile, keep: boolean): Promise<void> {
  if (keep && part.received > 0) part.keep();
  else await part.discard();
}

async function attemptOnce(
  access: HubAccess,
  url: string,
  part: PartialFile,
  plain: boolean,
  onBytes: (bytes: number) => void,
): Promise<Attempt> {
  const { path, bytes } = part.expected;
  // Whole already: an earlier run stopped just before the end.
  if (part.received === bytes && bytes > 0) return { kind: 'whole' };
  const from = plain ? 0 : part.received;
  let response: Response;
  try {
    response = await request(access, url, from === 0 ? {} : { headers: { Range: `bytes=${from}-` } });
  } catch (thrown) {
    const fault = faultOfFetch(thrown, url, access.signal);
    const final = fault.kind === 'hub' && (fault.why === 'cancelled' || fault.why === 'blocked-by-policy');
    return final ? { kind: 'fault', fault, keep: true } : { kind: 'again', fault };
  }
  const placed = await place(response, access, part, from);
  if (placed !== null) {
    await response.body?.cancel().catch(() => undefined);
    return placed;
  }
  return readBody(response, access, url, part, path, onBytes);
}

/**
 * Checks the answer's head against what is here, and cuts the part where it begins anew; null when the body
 * can be read.
 */
async function place(
  response: Response,
  access: HubAccess,
  part: PartialFile,
  from: number,
): Promise<Attempt | null> {
  const { path, bytes, digest } = part.expected;
  const { status, headers } = response;
  // The next try asks for the whole file: perhaps another server answers.
  if (status === 416)
    return {
      kind: 'again',
      fault: hubFault('short', `${path}: the server has no more than ${from} of ${bytes} bytes.`),
    };
  const refusal = refusalOf(response, access, path);
  if (refusal !== null) {
    const seconds = retryAfterOf(headers);
    if (status === 429 && seconds !== null && seconds <= longestWaitSeconds)
      return { kind: 'again', fault: refusal, waitMs: 1000 * seconds };
    return status >= 500 ? { kind: 'again', fault: refusal } : { kind: 'fault', fault: refusal, keep: true };
  }
  const linked = tagOf(headers.get('X-Linked-ETag'));
  const isOther =
    linked !== null &&
    digest?.algorithm === 'sha256' &&
    /^[0-9a-f]{64}$/.test(linked) &&
    linked !== digest.hex;
  if (isOther)
    return {
      kind: 'fault',
      fault: hubFault('changed', `${path} is not the file that the repository lists.`),
      keep: false,
    };
  const etag = tagOf(headers.get('ETag'));
  if (status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('Content-Range') ?? '');
    const total = range?.[3] === undefined || range[3] === '*' ? bytes : Number(range[3]);
    const otherTag = etag !== null && part.etag !== null && etag !== part.etag;
    // Content-Range may be hidden from web pages; a 206 then gives what was asked for, and the digest has the
    // last word.
    const otherPlace = range !== null && (Number(range[1]) !== from || total !== bytes);
    if (!otherTag && !otherPlace) return null;
    const restarted = await part.restart(null);
    if (!restarted.ok) return over(restarted.fault);
    return { kind: 'again', fault: hubFault('changed', `${path} changed while it was being downloaded.`) };
  }
  const restarted = await part.restart(etag);
  return restarted.ok ? null : over(restarted.fault);
}

async function readBody(
  response: Response,
  access: HubAccess,
  url: string,
  part: PartialFile,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<Attempt> {
  const { bytes } = part.expected;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const piece = await reader?.read();
      if (piece === undefined || piece.done) break;
      if (part.received === 0) {
        const impostor = impostorOf(path, piece.value);
        if (impostor !== null) return impostorFault(impostor, path, new URL(url).host);
      }
      const added = await part.append(piece.value);
      if (!added.ok) return over(added.fault);
      onBytes(part.received);
    }
  } catch (thrown) {
    const fault = faultOfFetch(thrown, url, access.signal);
    return fault.kind === 'hub' && fault.why === 'cancelled'
      ? { kind: 'fault', fault, keep: true }
      : { kind: 'again', fault };
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
  if (part.received === bytes) return { kind: 'whole' };
  return { kind: 'again', fault: hubFault('short', `${path}: ${part.received} of ${bytes} bytes came.`) };
}

function impostorFault(impostor: 'pointer' | 'html', path: string, host: string): Attempt {
  const fault =
    impostor === 'pointer'
      ? hubFault('pointer', `${host} gave a Git LFS pointer in place of ${path}.`)
      : hubFault('not-the-hub', `${host} gave a web page in place of ${path}.`);
  return { kind: 'fault', fault, keep: false };
}

const over = (fault: Fault): Attempt => ({ kind: 'fault', fault, keep: false });

/** An ETag without its quotes and its mark of weakness. */
const tagOf = (etag: string | null): string | null => etag?.replace(/^W\//, '').replaceAll('"', '') ?? null;
