// The writing half of the stand-in for the Hub: repositories made, files sorted into small and large, large
// ones taken by Git LFS or by Xet, a commit put together. What arrives is checked like the Hub would: every
// large file has the digest that the commit says.
import { createHash } from 'node:crypto';
import { fileOfShard } from './xet.ts';

export interface Repository {
  readonly id: string;
  commit: string;
  readonly files: Map<string, Uint8Array>;
  readonly licence: string;
  /** Readable with a token only. */
  readonly hidden: 'no' | 'private' | 'gated';
}

export interface Upload {
  /** How large files are asked for. */
  transfer: 'basic' | 'xet';
  /** sha256 -> bytes */
  readonly objects: Map<string, Uint8Array>;
  /** hash -> serialised xorb */
  readonly xorbs: Map<string, Uint8Array>;
  readonly shards: Uint8Array[];
  readonly commits: { readonly id: string; readonly summary: string }[];
}

export const isLarge = (path: string): boolean => /\.(?:safetensors|bin|h5|onnx|parquet)$/.test(path);

interface Context {
  readonly address: string;
  readonly storageAddress: string;
  readonly token: string;
  readonly repositories: Map<string, Repository>;
  readonly uploads: Upload;
  readonly authorization: string | undefined;
}

interface Answer {
  readonly status: number;
  readonly json: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const xetToken = 'xet-write-token-of-the-stand-in';
const parse = (body: Uint8Array): unknown => JSON.parse(Buffer.from(body).toString('utf8'));
const refused = (status: number, error: string): Answer => ({
  status,
  json: { error },
  headers: { 'X-Error-Message': error },
});

export function answerUpload(context: Context, method: string, url: string, body: Uint8Array): Answer {
  const { uploads, authorization, token } = context;
  const path = decodeURIComponent(new URL(url, context.address).pathname);
  if (/^\/(?:upload|v1)\//.test(path)) return answerStorage(uploads, method, path, body, authorization);
  if (authorization !== `Bearer ${token}`) return refused(401, 'Invalid credentials in Authorization header');
  if (path === '/api/repos/create') return createRepository(context, body);
  const batch = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(path);
  const api = /^\/api\/models\/([^/]+\/[^/]+)\/(preupload|commit|xet-write-token)\/main$/.exec(path);
  const repository = context.repositories.get(batch?.[1] ?? api?.[1] ?? '');
  if (repository === undefined) return refused(404, 'Repository not found');
  if (batch !== null) return answerBatch(context, repository, body);
  if (api?.[2] === 'xet-write-token')
    return {
      status: 200,
      json: {
        accessToken: xetToken,
        casUrl: context.storageAddress,
        exp: Math.floor(Date.now() / 1000) + 3600,
      },
    };
  if (api?.[2] === 'preupload') {
    const { files } = parse(body) as { files: { path: string }[] };
    return {
      status: 200,
      json: {
        files: files.map((file) => ({ path: file.path, uploadMode: isLarge(file.path) ? 'lfs' : 'regular' })),
      },
    };
  }
  return commit(context, repository, body);
}

function answerStorage(
  uploads: Upload,
  method: string,
  path: string,
  body: Uint8Array,
  authorization: string | undefined,
): Answer {
  const [, , second = '', , hash = ''] = path.split('/');
  if (path.startsWith('/upload/') && method === 'PUT') {
    if (authorization !== undefined) return refused(400, 'storage must not be given a token');
    uploads.objects.set(second, body);
    return { status: 200, json: {} };
  }
  if (authorization !== `Bearer ${xetToken}`) return refused(401, 'another token was expected');
  if (path.startsWith('/v1/xorbs/')) uploads.xorbs.set(hash, body);
  else if (path.startsWith('/v1/shards')) {
    uploads.shards.push(body);
    for (const { sha256, bytes } of fileOfShard(body, uploads.xorbs)) uploads.objects.set(sha256, bytes);
  } else return refused(404, 'no such chunk');
  return { status: 200, json: { was_inserted: true } };
}

function createRepository({ repositories, address }: Context, body: Uint8Array): Answer {
  const { name, organization, visibility } = parse(body) as {
    name: string;
    organization: string;
    visibility?: string;
  };
  const id = `${organization}/${name}`;
  if (organization === 'somebody-else')
    return refused(403, 'You have not the rights to create a model under this namespace');
  if (repositories.has(id)) return refused(409, 'You already created this model repo');
  repositories.set(id, {
    id,
    commit: '0'.repeat(40),
    files: new Map(),
    licence: 'apache-2.0',
    hidden: visibility === 'private' ? 'private' : 'no',
  });
  return { status: 200, json: { url: `${address}/${id}`, id } };
}

function answerBatch(
  { uploads, storageAddress, address }: Context,
  { id }: Repository,
  body: Uint8Array,
): Answer {
  const { objects, transfers } = parse(body) as {
    objects: { oid: string; size: number }[];
    transfers: string[];
  };
  const xet = uploads.transfer === 'xet' && transfers.includes('xet');
  const href = (oid: string): string =>
    xet ? `${address}/api/models/${id}/xet-write-token/main` : `${storageAddress}/upload/${oid}`;
  return {
    status: 200,
    json: {
      transfer: xet ? 'xet' : 'basic',
      objects: objects.map(({ oid, size }) => ({ oid, size, actions: { upload: { href: href(oid) } } })),
    },
  };
}

type Line =
  | { key: 'header'; value: { summary: string } }
  | { key: 'file'; value: { path: string; content: string; encoding: 'base64' } }
  | { key: 'lfsFile'; value: { path: string; oid: string; size: number } };

function commit({ uploads, address }: Context, repository: Repository, body: Uint8Array): Answer {
  const lines = Buffer.from(body)
    .toString('utf8')
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  for (const line of lines) {
    if (line.key === 'header') uploads.commits.push({ id: repository.id, summary: line.value.summary });
    if (line.key === 'file') repository.files.set(line.value.path, Buffer.from(line.value.content, 'base64'));
    if (line.key !== 'lfsFile') continue;
    const bytes = uploads.objects.get(line.value.oid);
    if (
      bytes === undefined ||
      createHash('sha256').update(bytes).digest('hex') !== line.value.oid ||
      bytes.length !== line.value.size
    )
      return refused(400, `${line.value.path} was not uploaded`);
    repository.files.set(line.value.path, bytes);
  }
  repository.commit = createHash('sha1').update(body).digest('hex');
  return {
    status: 200,
    json: {
      success: true,
      commitOid: repository.commit,
      commitUrl: `${address}/${repository.id}/commit/${repository.commit}`,
      hookOutput: '',
    },
  };
}
