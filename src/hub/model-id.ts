// What a user may write for a model on the Hub: `owner/name`, `hf-hub:owner/name` as timm writes it, the
// address of its page, each with a revision after an @ or in the address. And the base address of the Hub or
// of a mirror of it.
import { fail, ok, type Result } from '../shared/result.ts';

export interface ModelId {
  /** "owner/name" */
  readonly id: string;
  /** Branch, tag, pull request or commit; "main" where none was named. */
  readonly revision: string;
}

export interface DataSetId extends ModelId {
  /** Of several subsets the one that is meant; null where none was named. */
  readonly subset: string | null;
}

const hubAddress = 'https://huggingface.co';

const part = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?';
const idPattern = new RegExp(`^(${part})/(${part})$`);
const revisionPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/;

const bad = (text: string, why: string): Result<never> =>
  fail({ kind: 'hub', why: 'bad-id', detail: `“${text.slice(0, 120)}” ${why}.` });

/** Reads what the user wrote; `base` tells which addresses are pages of the Hub. */
export function parseModelId(text: string, base: string = hubAddress): Result<ModelId> {
  const written = text.trim();
  if (/^https?:\/\//i.test(written)) return parsePage(written, base);
  const plain = written.replace(/^(?:hf-hub:|hf:\/\/|models\/)/, '');
  const at = plain.indexOf('@');
  const id = at < 0 ? plain : plain.slice(0, at);
  const revision = at < 0 ? 'main' : plain.slice(at + 1);
  return checked(written, id, revision);
}

function parsePage(written: string, base: string): Result<ModelId> {
  const url = URL.canParse(written) ? new URL(written) : null;
  const hosts = [new URL(hubAddress).host, 'hf.co', new URL(base).host];
  if (url === null || !hosts.includes(url.host)) return bad(written, `is no page of ${new URL(base).host}`);
  const segments = url.pathname.split('/').filter((segment) => segment !== '');
  if (['datasets', 'spaces'].includes(segments[0] ?? ''))
    return bad(written, `is one of the Hub’s ${segments[0] ?? ''}`);
  const [owner = '', name = '', kind, ...rest] = segments.map((segment) => safeDecode(segment));
  const below = kind !== undefined && ['tree', 'blob', 'resolve', 'commit'].includes(kind);
  // A pull request is the only revision with slashes that a page names; what follows a branch is a folder or
  // file.
  const pull = /^refs\/pr\/\d+/.exec(rest.join('/'));
  const revision = below ? (pull?.[0] ?? rest[0] ?? 'main') : 'main';
  return checked(written, `${owner}/${name}`, revision);
}

/**
 * Reads what the user wrote for a data set: `owner/name`, also with a subset (`owner/name/subset`) and a
 * revision after an
 * @, or the address of its page.
 */
export function parseDataSetId(text: string, base: string = hubAddress): Result<DataSetId> {
  const written = text.trim();
  if (/^https?:\/\//i.test(written)) return parseDataSetPage(written, base);
  const plain = written.replace(/^(?:hf:\/\/)?(?:datasets\/)?/, '');
  const at = plain.indexOf('@');
  const [owner = '', name = '', ...rest] = (at < 0 ? plain : plain.slice(0, at)).split('/');
  const revision = at < 0 ? 'main' : plain.slice(at + 1);
  return withSubset(written, `${owner}/${name}`, rest.length === 0 ? null : rest.join('/'), revision);
}

function parseDataSetPage(written: string, base: string): Result<DataSetId> {
  const url = URL.canParse(written) ? new URL(written) : null;
  const hosts = [new URL(hubAddress).host, 'hf.co', new URL(base).host];
  if (url === null || !hosts.includes(url.host)) return bad(written, `is no page of ${new URL(base).host}`);
  const segments = url.pathname.split('/').filter((segment) => segment !== '');
  const [kind, owner = '', name = '', view, first] = segments.map((segment) => safeDecode(segment));
  if (kind !== 'datasets') return bad(written, 'is no page of a data set');
  const subset = view === 'viewer' ? (first ?? null) : null;
  const revision = view === 'tree' || view === 'blob' || view === 'resolve' ? (first ?? 'main') : 'main';
  return withSubset(written, `${owner}/${name}`, subset, revision);
}

function withSubset(written: string, id: string, subset: string | null, revision: string): Result<DataSetId> {
  if (subset !== null && (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(subset) || subset.includes('..')))
    return bad(written, 'names a subset that cannot be one');
  const read = checked(written, id, revision);
  return read.ok ? ok({ ...read.value, subset }) : read;
}

function checked(written: string, id: string, revision: string): Result<ModelId> {
  if (!idPattern.test(id) || /--|\.\./.test(id)) return bad(written, 'is not of the form owner/name');
  if (!revisionPattern.test(revision) || revision.split('/').includes('..'))
    return bad(written, 'names a revision that cannot be one');
  return ok({ id, revision });
}

function safeDecode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * The base address of the Hub: empty is huggingface.co. Only https, or http on this machine: a token goes
 * there.
 * @returns the origin with its path, without a slash at its end
 */
export function parseHubAddress(text: string): Result<string> {
  const written = text.trim().replace(/\/+$/, '');
  if (written === '') return ok(hubAddress);
  const refuse = (why: string): Result<never> =>
    fail({ kind: 'hub', why: 'bad-address', detail: `“${written.slice(0, 120)}” ${why}.` });
  if (!URL.canParse(written)) return refuse('is no address');
  const url = new URL(written);
  const here = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && here))
    return refuse('does not begin with https://');
  if (url.username !== '' || url.password !== '')
    return refuse('holds a user name: a token has its own field');
  if (url.search !== '' || url.hash !== '') return refuse('holds more than a host and a path');
  return ok(url.pathname === '/' ? url.origin : `${url.origin}${url.pathname}`);
}

/** A token as a header can carry it; null where none was given. */
export function checkToken(text: string | undefined): Result<string | null> {
  const token = text?.trim() ?? '';
  if (token === '') return ok(null);
  return /^[\x21-\x7e]{4,500}$/.test(token)
    ? ok(token)
    : fail({ kind: 'hub', why: 'bad-token', detail: 'A token is one word of letters, digits and signs.' });
}
