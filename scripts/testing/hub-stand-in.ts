// A local stand-in for the Hugging Face Hub: real HTTP on two ports of this machine, the second as the
// storage host that large files are redirected to, both of another origin than the app. It keeps to the Hub's
// ways (commits, ETags, LFS, ranges, redirects, error codes, uploads) and can be told to lie. For tests:
// nothing of it is the real Hub.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerUpload, isLarge, type Repository, type Upload } from './hub-uploads.ts';

/** How the next answers lie; see `distort`. */
export type Lie =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly kind:
        'html' | 'pointer' | 'flip' | 'no-cors' | 'ignore-range' | 'other-range' | 'long' | 'json';
    }
  /** The connection ends after so many bytes of a body. */
  | { readonly kind: 'drop'; readonly after: number }
  /** The body is shorter than it should be, and its Content-Length agrees. */
  | { readonly kind: 'short'; readonly bytes: number }
  | { readonly kind: 'etag'; readonly etag: string }
  /** After so many bytes of a body the rest waits for `release`. */
  | { readonly kind: 'hold'; readonly after: number };

interface ToldLie {
  readonly lie: Lie;
  readonly on: RegExp;
  times: number;
}

interface SeenRequest {
  readonly host: 'hub' | 'storage';
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export interface HubStandIn {
  readonly address: string;
  readonly storageAddress: string;
  readonly token: string;
  readonly requests: SeenRequest[];
  readonly repositories: Map<string, Repository>;
  readonly uploads: Upload;
  add(
    id: string,
    files: Readonly<Record<string, Uint8Array | string>>,
    options?: Partial<Repository>,
  ): Repository;
  /** Makes answers to addresses that match lie, the next `times` of them. */
  lie(on: RegExp, lie: Lie, times?: number): void;
  honest(): void;
  /** Sends what `hold` kept back. */
  release(): void;
  close(): Promise<void>;
}

const sha1 = (bytes: Uint8Array | string): string => createHash('sha1').update(bytes).digest('hex');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const gitName = (bytes: Uint8Array): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
const pointerTo = (bytes: Uint8Array): Uint8Array =>
  Buffer.from(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256(bytes)}\nsize ${bytes.length}\n`,
  );

export async function startHubStandIn({ port = 0, storagePort = 0 } = {}): Promise<HubStandIn> {
  const token = 'hf_standInTokenForTests';
  const requests: SeenRequest[] = [];
  const repositories = new Map<string, Repository>();
  const lies: ToldLie[] = [];
  const held: (() => void)[] = [];
  const release = (): void => held.splice(0).forEach((send) => send());
  const uploads: Upload = {
    transfer: 'basic',
    objects: new Map(),
    xorbs: new Map(),
    shards: [],
    commits: [],
  };

  const hub = await listen(port, (request, response) => void serve('hub', request, response));
  const storage = await listen(storagePort, (request, response) => void serve('storage', request, response));
  const [address, storageAddress] = [addressOf(hub), addressOf(storage)];

  async function serve(
    host: 'hub' | 'storage',
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const lie = lies.find(({ on, times }) => times > 0 && method !== 'OPTIONS' && on.test(url));
    if (lie !== undefined) lie.times--;
    if (method !== 'OPTIONS')
      requests.push({ host, method, url, authorization: headers.authorization, range: headers.range });
    if (lie?.lie.kind !== 'no-cors') {
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.setHeader(
        'Access-Control-Allow-Headers',
        'Authorization, Content-Type, Range, X-Xet-Session-Id',
      );
      response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST, PUT');
      response.setHeader(
        'Access-Control-Expose-Headers',
        'ETag, Link, Content-Range, X-Repo-Commit, X-Linked-ETag, X-Linked-Size, X-Error-Code, X-Error-Message, Retry-After, X-Request-Id',
      );
    }
    if (method === 'OPTIONS') return void response.writeHead(204).end();
    if (lie?.lie.kind === 'status')
      return void response
        .writeHead(lie.lie.status, lie.lie.headers)
        .end(JSON.stringify({ error: 'told to' }));
    if (lie?.lie.kind === 'html')
      return void response
        .writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
        .end('<!doctype html><title>Log in</title>');
    if (lie?.lie.kind === 'json')
      return void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"no":');
    const body = await bodyOf(request);
    const context = {
      address,
      storageAddress,
      token,
      repositories,
      uploads,
      authorization: headers.authorization,
    };
    if ((method !== 'GET' && method !== 'HEAD') || /\/v1\/|xet-write-token/.test(url)) {
      const done = answerUpload(context, method, url, body);
      return void response
        .writeHead(done.status, { 'Content-Type': 'application/json', ...done.headers })
        .end(JSON.stringify(done.json));
    }
    if (host === 'storage') {
      const sha = /^\/files\/([0-9a-f]{64})/.exec(url)?.[1];
      const bytes = [...repositories.values()]
        .flatMap(({ files }) => [...files.values()])
        .find((file) => sha256(file) === sha);
      if (bytes === undefined) response.writeHead(404).end();
      else sendBytes(request, response, bytes, `"${sha1(bytes)}"`, lie?.lie, held);
      return;
    }
    answerHub(new URL(url, address), request, response, lie?.lie);
  }

  function answerHub(
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
    lie: Lie | undefined,
  ): void {
    const api = /^\/api\/(?:models\/|(datasets\/))([^/]+\/[^/]+)\/(revision|tree)\/([^?]+)$/.exec(
      decodeURIComponent(url.pathname),
    );
    const resolve = /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(
      decodeURIComponent(url.pathname),
    );
    const named = `${api?.[1] ?? resolve?.[1] ?? ''}${api?.[2] ?? resolve?.[2] ?? ''}`;
    const revision = api?.[4] ?? resolve?.[3] ?? '';
    // Another branch of a repository is one of its own under its name, an @ and the branch.
    const branches = [...repositories.values()].filter(({ id }) => id.startsWith(`${named}@`));
    const branch = branches.find(({ id, commit }) => id === `${named}@${revision}` || commit === revision);
    const repository = branch ?? repositories.get(named);
    const id = named.replace('datasets/', '');
    const authorised = request.headers.authorization === `Bearer ${token}`;
    if (request.headers.authorization !== undefined && !authorised) {
      refuse(response, 401, 'InvalidToken', 'Invalid credentials in Authorization header');
      return;
    }
    if (repository === undefined || (repository.hidden === 'private' && !authorised)) {
      refuse(response, authorised ? 404 : 401, 'RepoNotFound', 'Repository not found');
      return;
    }
    if (branch === undefined && !['main', 'HEAD', repository.commit].includes(revision)) {
      refuse(response, 404, 'RevisionNotFound', 'Invalid rev id');
      return;
    }
    if (api?.[3] === 'revision') {
      const { commit: sha, licence: license, hidden } = repository;
      sendJson(response, {
        _id: sha.slice(0, 24),
        id,
        sha,
        private: hidden === 'private',
        gated: hidden === 'gated' ? 'auto' : false,
        likes: 0,
        downloads: 0,
        lastModified: '2026-01-01T00:00:00.000Z',
        cardData: { license },
      });
      return;
    }
    if (api?.[3] === 'tree') {
      const entries = [
        { type: 'directory', path: 'onnx', size: 0, oid: '0'.repeat(40) },
        ...[...repository.files].map(([path, bytes]) =>
          isLarge(path)
            ? {
                type: 'file',
                path,
                size: bytes.length,
                oid: gitName(pointerTo(bytes)),
                lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 134 },
              }
            : { type: 'file', path, size: bytes.length, oid: gitName(bytes) },
        ),
      ];
      // Pages of a thousand, as the Hub's.
      const begin = Number(url.searchParams.get('cursor') ?? 0);
      const next = new URL(url);
      next.searchParams.set('cursor', String(begin + 1000));
      if (entries.length > begin + 1000) response.setHeader('Link', `<${next.href}>; rel="next"`);
      sendJson(response, entries.slice(begin, begin + 1000));
      return;
    }
    const path = resolve?.[4] ?? '';
    const bytes = repository.files.get(path);
    if (repository.hidden === 'gated' && !authorised) {
      refuse(response, 401, 'GatedRepo', 'Access to this model is restricted');
      return;
    }
    if (bytes === undefined) {
      refuse(response, 404, 'EntryNotFound', 'Entry not found');
      return;
    }
    response.setHeader('X-Repo-Commit', repository.commit);
    if (!isLarge(path)) {
      sendBytes(request, response, bytes, `"${gitName(bytes)}"`, lie, held);
      return;
    }
    response
      .writeHead(302, {
        Location: `${storageAddress}/files/${sha256(bytes)}?signature=short-lived`,
        'X-Linked-Size': String(bytes.length),
        'X-Linked-ETag': `"${sha256(bytes)}"`,
      })
      .end();
  }

  return {
    address,
    storageAddress,
    token,
    requests,
    repositories,
    uploads,
    add(id, files, options = {}) {
      const content = new Map(
        Object.entries(files).map(([path, value]) => [
          path,
          typeof value === 'string' ? Buffer.from(value) : value,
        ]),
      );
      const commit = sha1([...content].map(([path, bytes]) => path + gitName(bytes)).join('\n'));
      const repository: Repository = {
        id,
        commit,
        files: content,
        licence: 'apache-2.0',
        hidden: 'no',
        ...options,
      };
      repositories.set(id, repository);
      return repository;
    },
    lie: (on, lie, times = Infinity) => void lies.push({ on, lie, times }),
    honest: () => void lies.splice(0),
    release,
    close: async () => {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((done) => server.close(done));
      }
    },
  };
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  whole: Uint8Array,
  etag: string,
  lie: Lie | undefined,
  held: (() => void)[],
): void {
  let bytes = whole;
  if (lie?.kind === 'pointer') bytes = pointerTo(whole);
  if (lie?.kind === 'flip') bytes = whole.map((byte, i) => (i === whole.length >> 1 ? byte ^ 1 : byte));
  if (lie?.kind === 'long') bytes = Buffer.concat([whole, Buffer.from('and more')]);
  if (lie?.kind === 'short') bytes = whole.subarray(0, lie.bytes);
  response.setHeader('ETag', lie?.kind === 'etag' ? lie.etag : etag);
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('Content-Type', 'application/octet-stream');
  const asked = lie?.kind === 'ignore-range' ? null : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const from = Number(asked?.[1] ?? 0) + (lie?.kind === 'other-range' && asked !== null ? 1 : 0);
  const to =
    asked?.[2] === undefined || asked[2] === '' ? bytes.length : Math.min(bytes.length, Number(asked[2]) + 1);
  if (asked !== null && from >= bytes.length)
    return void response.writeHead(416, { 'Content-Range': `bytes */${bytes.length}` }).end();
  const part = bytes.subarray(from, to);
  response.writeHead(asked === null ? 200 : 206, {
    'Content-Length': part.length,
    ...(asked === null ? {} : { 'Content-Range': `bytes ${from}-${to - 1}/${bytes.length}` }),
  });
  if (lie?.kind === 'drop') {
    // The bytes must be on their way before the connection ends, or nothing of them arrives.
    response.write(part.subarray(0, lie.after), () => setTimeout(() => response.destroy(), 30));
    return;
  }
  if (lie?.kind === 'hold' && part.length > lie.after) {
    response.write(part.subarray(0, lie.after));
    held.push(() => response.end(part.subarray(lie.after)));
    return;
  }
  response.end(part);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, {
    'X-Error-Code': code,
    'X-Error-Message': message,
    'Content-Type': 'application/json',
  });
  response.end(JSON.stringify({ error: message }));
}

function sendJson(response: ServerResponse, json: unknown): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(json));
}

function listen(
  port: number,
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(handler);
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function addressOf(server: Server): string {
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of request) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}
