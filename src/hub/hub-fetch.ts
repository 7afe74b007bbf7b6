// Every request to the Hub goes through here: no cookies, no referrer, the token as a header for the Hub's
// own origin and for nobody else, and each refusal turned into a fault with words. Knows no repository.
import type { Fault, HubReason } from '../shared/fault.ts';
import { plainText } from '../shared/plain-text.ts';

export interface HubAccess {
  /** Base address, without a slash at its end. */
  readonly base: string;
  /** Of the user, for this request only; never stored, never in an address. */
  readonly token: string | null;
  readonly signal: AbortSignal;
}

/** A fault on its way up through code that is not ours. */
export class HubFailure extends Error {
  override readonly name = 'HubFailure';
  /** @param status of the answer that refused, where there was one */
  constructor(
    readonly fault: Fault,
    readonly status: number | null = null,
  ) {
    super('detail' in fault ? fault.detail : fault.kind);
  }
}

export const hubFault = (why: HubReason, detail: string): Fault => ({ kind: 'hub', why, detail });

/** Whether asking again later may be answered. */
export const isPassing = (fault: Fault): boolean =>
  fault.kind === 'hub' && ['unreachable', 'server', 'rate-limited'].includes(fault.why);

/** Hosts that the page's policy has refused, as the browser reported them; see worker/serve-trainer.ts. */
export const refusedByPolicy = new Set<string>();

/**
 * One request. Whatever its status, the answer is returned; a request that gets none throws a HubFailure.
 * The browser drops the token when the answer is a redirect to another origin, as the Fetch standard has it.
 */
export async function request(access: HubAccess, url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const own = new URL(url).origin === new URL(access.base).origin;
  // Storage servers bring credentials of their own for one upload; ours never goes there.
  if (own && access.token !== null) headers.set('Authorization', `Bearer ${access.token}`);
  try {
    const response = await fetch(url, {
      ...init,
      headers,
      signal: access.signal,
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      // The cache here is our own: the browser's would keep each model twice.
      cache: 'no-store',
    });
    refusedByPolicy.delete(new URL(url).origin);
    return response;
  } catch (thrown) {
    // What a policy blocks is reported a moment after the request has failed.
    await new Promise((resolve) => setTimeout(resolve, 30));
    throw new HubFailure(faultOfFetch(thrown, url, access.signal));
  }
}

/** Why a request or the reading of its body broke off. A browser gives one error for a dozen causes. */
export function faultOfFetch(thrown: unknown, url: string, signal: AbortSignal): Fault {
  if (thrown instanceof HubFailure) return thrown.fault;
  if (signal.aborted) return hubFault('cancelled', 'The download was stopped.');
  const { host, origin } = new URL(url);
  if (refusedByPolicy.has(origin))
    return hubFault(
      'blocked-by-policy',
      `The content security policy of this page does not name ${origin}, or a host that it redirects to.`,
    );
  return hubFault(
    'unreachable',
    `${host} gave no answer: there is no connection, the host is down, or it does not allow requests from web pages (CORS).`,
  );
}

/** An answer of the Hub's API as JSON, or a HubFailure; for code that only knows ok and not ok. */
export async function requestApi(access: HubAccess, url: string, init?: RequestInit): Promise<Response> {
  const response = await request(access, url, init);
  const fault = refusalOf(response, access);
  if (fault === null) return response;
  await response.body?.cancel().catch(() => undefined);
  throw new HubFailure(fault, response.status);
}

/** What an answer refuses, as a fault; null when it gives what was asked for. */
export function refusalOf(response: Response, access: HubAccess, what = 'the repository'): Fault | null {
  const { status, headers, url } = response;
  const { host } = new URL(url === '' ? access.base : url);
  if (response.ok) {
    return (headers.get('content-type') ?? '').startsWith('text/html')
      ? hubFault('not-the-hub', `${host} answered ${what} with a web page (status ${status}).`)
      : null;
  }
  const code = headers.get('X-Error-Code');
  const said = headers.get('X-Error-Message');
  const words = said === null ? '' : ` It says: ${withoutTokens(said, access.token)}`;
  if (code === 'GatedRepo')
    return hubFault('gated', `${host} gives ${what} only to accounts that accepted its terms.`);
  switch (status) {
    case 401:
      return access.token === null
        ? hubFault(
            'unauthorised',
            `${host} shows ${what} to nobody without a token (401): it may be private or not exist.`,
          )
        : hubFault('unauthorised', `${host} does not accept the token (401).${words}`);
    case 403:
      return hubFault('forbidden', `${host} does not allow it to this account (403).${words}`);
    case 404:
    case 410:
      return hubFault(
        'not-found',
        `${host} does not have ${code === 'RevisionNotFound' ? 'this revision' : what} (${status}).`,
      );
    case 429:
      return hubFault('rate-limited', `${host} had too many requests (429)${waitOf(headers)}.`);
    default:
      return status >= 500
        ? hubFault('server', `${host} failed (${status}).${words}`)
        : hubFault('refused', `${host} answered ${what} with status ${status}.${words}`);
  }
}

/** A server's words as they may be shown: short, and without a token that it repeats. */
function withoutTokens(said: string, token: string | null): string {
  const own = token === null ? said : said.replaceAll(token, 'hf_…');
  return plainText(own.replace(/\bhf_\w{6,}/g, 'hf_…').replace(/\b(bearer)\s+\S+/gi, '$1 …'), 200);
}

/** Seconds that a server asks to wait; null when it does not say. */
export function retryAfterOf(headers: Headers): number | null {
  const text = headers.get('Retry-After');
  if (text === null) return null;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}

function waitOf(headers: Headers): string {
  const seconds = retryAfterOf(headers);
  return seconds === null ? '' : ` and asks to wait ${seconds} seconds`;
}
