// The Hub's own API through @huggingface/hub: which commit a revision is, and what a repository holds. Loaded
// only when a model is asked for, so that the start page does not pay for it. Every request goes through
// hub-fetch.ts.
import { datasetInfo, listFiles, modelInfo } from '@huggingface/hub';
import * as v from 'valibot';
import { fail, ok, type Result } from '../shared/result.ts';
import type { Digest } from '../storage/partial-file.ts';
import { faultOfFetch, hubFault, requestApi, type HubAccess } from './hub-fetch.ts';
import type { ListedFile } from './needed-files.ts';

/** What kind of repository it is, as the Hub calls it. */
export type RepositoryType = 'model' | 'dataset';

/** Entries that are listed of a data set at most: of pictures as single files there may be millions. */
const mostListed = 20_000;

export interface RepositoryState {
  readonly commit: string;
  /** As the model card names it: "apache-2.0"; null when it names none. */
  readonly licence: string | null;
}

const stateSchema = v.object({
  sha: v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/)),
  cardData: v.optional(
    v.nullable(v.object({ license: v.optional(v.union([v.string(), v.array(v.string())])) })),
  ),
});

const fileSchema = v.object({
  path: v.string(),
  size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  oid: v.optional(v.string()),
  lfs: v.optional(v.object({ oid: v.string(), size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)) })),
});

/** The package's fetch: it never sees the token, hub-fetch.ts adds it. */
const fetchOf =
  (access: HubAccess): typeof fetch =>
  (input, init) =>
    requestApi(access, input instanceof Request ? input.url : String(input), init);

/** Pins a revision to the commit it is now. */
export async function repositoryState(
  access: HubAccess,
  id: string,
  revision: string,
  type: RepositoryType = 'model',
): Promise<Result<RepositoryState>> {
  return guarded(access, async () => {
    const asked = {
      ...{ name: id, revision, hubUrl: access.base, fetch: fetchOf(access) },
      additionalFields: ['sha', 'cardData'] as ('sha' | 'cardData')[],
    };
    const info: unknown = await (type === 'dataset' ? datasetInfo(asked) : modelInfo(asked));
    const parsed = v.safeParse(stateSchema, info);
    if (!parsed.success) return fail(notTheHub(access, 'names no commit'));
    const licence = parsed.output.cardData?.license ?? null;
    return ok({ commit: parsed.output.sha, licence: Array.isArray(licence) ? licence.join(', ') : licence });
  });
}

/** The files of a commit, of a model's top folder only, each with its length and digest. */
export async function repositoryFiles(
  access: HubAccess,
  id: string,
  commit: string,
  type: RepositoryType = 'model',
): Promise<Result<readonly ListedFile[]>> {
  return guarded(access, async () => {
    const files: ListedFile[] = [];
    let entries = 0;
    const listed = listFiles({
      repo: { type, name: id },
      recursive: type === 'dataset',
      revision: commit,
      hubUrl: access.base,
      fetch: fetchOf(access),
    });
    for await (const entry of listed) {
      if (++entries > mostListed)
        return fail(hubFault('no-data-set', `${id} holds more than ${mostListed} files.`));
      if (entry.type !== 'file') continue;
      const parsed = v.safeParse(fileSchema, entry);
      if (!parsed.success) return fail(notTheHub(access, 'lists files without names or lengths'));
      const { path, size, oid, lfs } = parsed.output;
      files.push({ path, bytes: lfs?.size ?? size, digest: digestOf(oid, lfs?.oid) });
    }
    return ok(files);
  });
}

function digestOf(oid: string | undefined, lfsOid: string | undefined): Digest | null {
  if (lfsOid !== undefined)
    return /^[0-9a-f]{64}$/.test(lfsOid) ? { algorithm: 'sha256', hex: lfsOid } : null;
  return oid !== undefined && /^[0-9a-f]{40}$/.test(oid) ? { algorithm: 'git-sha1', hex: oid } : null;
}

const notTheHub = (access: HubAccess, what: string) =>
  hubFault('not-the-hub', `The answer of ${new URL(access.base).host} ${what}.`);

async function guarded<T>(access: HubAccess, work: () => Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work();
  } catch (thrown) {
    // JSON that is none, a date that is none: whatever the package trips over is not what the Hub sends.
    return fail(
      thrown instanceof SyntaxError || thrown instanceof RangeError
        ? notTheHub(access, 'is not what the Hub answers')
        : faultOfFetch(thrown, access.base, access.signal),
    );
  }
}
