// Files of a finished run to a repository of the user's on the Hub, in one commit. Nothing is sent but the
// files named; the token goes to the Hub's own host. Loaded only when the user asks for it.
import { commitIter, createRepo, HubApiError } from '@huggingface/hub';
import type { Fault } from '../shared/fault.ts';
import { fail, ok, type Result } from '../shared/result.ts';
import { faultOfFetch, hubFault, HubFailure, request, requestApi, type HubAccess } from './hub-fetch.ts';

export interface PushedFile {
  readonly name: string;
  readonly blob: Blob;
}

export interface Pushed {
  /** Address of the repository's page. */
  readonly url: string;
  readonly commit: string;
}

/** The package wants one and checks how it begins; hub-fetch.ts puts the user's own in its place. */
const placeholder = 'hf_placeholder';

/**
 * Makes the repository where it is missing and commits the files.
 *
 * @param onProgress share of all bytes that are sent, 0 to 1
 */
export async function pushModel(
  access: HubAccess,
  repository: string,
  isPrivate: boolean,
  files: readonly PushedFile[],
  title: string,
  onProgress: (share: number) => void,
): Promise<Result<Pushed>> {
  // Storage hosts answer 404 to a question about what they have: the package reads their answers itself.
  const guardedFetch: typeof fetch = (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const own = new URL(url).origin === new URL(access.base).origin;
    return own ? requestApi(access, url, init) : request(access, url, init);
  };
  const common = {
    repo: { type: 'model', name: repository },
    hubUrl: access.base,
    accessToken: placeholder,
    fetch: guardedFetch,
  } as const;
  const bytes = new Map(files.map(({ name, blob }) => [name, blob.size]));
  const total = Math.max(
    1,
    [...bytes.values()].reduce((sum, size) => sum + size, 0),
  );
  const sent = new Map<string, number>();
  try {
    await createRepo({ ...common, visibility: isPrivate ? 'private' : 'public' }).catch((thrown: unknown) => {
      // It exists: the files become a new commit in it.
      if (!(thrown instanceof HubFailure && thrown.status === 409)) throw thrown;
    });
    const progress = commitIter({
      ...common,
      title,
      operations: files.map(({ name, blob }) => ({ operation: 'addOrUpdate', path: name, content: blob })),
      abortSignal: access.signal,
    });
    for (;;) {
      const next = await progress.next();
      if (next.done === true) {
        if (next.value === undefined) return fail(hubFault('not-the-hub', 'The Hub named no commit.'));
        onProgress(1);
        return ok({ url: `${access.base}/${repository}`, commit: next.value.commit.oid });
      }
      if (next.value.event !== 'fileProgress' || next.value.state !== 'uploading') continue;
      sent.set(next.value.path, next.value.progress * (bytes.get(next.value.path) ?? 0));
      onProgress([...sent.values()].reduce((sum, size) => sum + size, 0) / total);
    }
  } catch (thrown) {
    return fail(faultOfPush(thrown, access));
  }
}

function faultOfPush(thrown: unknown, access: HubAccess): Fault {
  const { host } = new URL(access.base);
  if (thrown instanceof SyntaxError)
    return hubFault('not-the-hub', `${host} did not answer as the Hub does.`);
  if (thrown instanceof HubApiError)
    return hubFault(
      thrown.statusCode >= 500 ? 'server' : 'refused',
      `The storage of ${host} answered ${thrown.statusCode}.`,
    );
  return faultOfFetch(thrown, access.base, access.signal);
}
