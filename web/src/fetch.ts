// The bytes of a .gf from wherever it is, with progress and a cache.
import { platform } from '#platform';
import type { LoadOptions, Source } from './api.js';
import { GhostFlowError, fail, textOf } from './errors.js';

const CACHE = 'ghostflow-1';

export async function readSource(source: Source, options: LoadOptions): Promise<Uint8Array> {
  options.signal?.aborted && aborted(options.signal);
  if (typeof source === 'string' || source instanceof URL) return readUrl(source, options);
  if (source instanceof Uint8Array) return verified(source, options, 'the bytes');
  if (source instanceof ArrayBuffer) return verified(new Uint8Array(source), options, 'the bytes');
  if (source instanceof Response) {
    const name = source.url || 'the response';
    return verified(await readResponse(source, name, options), options, name);
  }
  return fail('INVALID_ARGUMENT', 'a model is a URL, Response, ArrayBuffer or Uint8Array');
}

function aborted(signal: AbortSignal): never {
  return fail('ABORTED', 'loading was stopped by its signal', signal.reason);
}

/** What is at an absolute URL: bytes of a file, or what a server answers. */
export async function get(url: string, options: LoadOptions): Promise<Uint8Array | Response> {
  try {
    return (await platform.file(url, options.signal)) ?? checkOk(await fetch(url, { ...options.fetchOptions, signal: options.signal }), url);
  } catch (e) {
    if (e instanceof GhostFlowError) throw e;
    if (options.signal?.aborted) aborted(options.signal);
    return fail('FETCH_FAILED', `${url} could not be fetched: ${textOf(e)}`, e);
  }
}

function checkOk(response: Response, name: string): Response {
  return response.ok ? response : fail('FETCH_FAILED', `${name} could not be fetched: status ${response.status} ${response.statusText}`.trim());
}

async function readResponse(response: Response, name: string, options: LoadOptions): Promise<Uint8Array> {
  checkOk(response, name);
  if (response.bodyUsed) fail('INVALID_ARGUMENT', 'the body of this Response was read before');
  // the length counts bytes on the wire: it says nothing about a body that was compressed there
  const total = response.headers.get('content-encoding') ? 0 : Number(response.headers.get('content-length') ?? 0) || 0;
  try {
    const reader = response.body?.getReader();
    if (reader === undefined) return new Uint8Array(await response.arrayBuffer());
    // one buffer when the length is known, and true
    let bytes = new Uint8Array(total), loaded = 0;
    for (;;) {
      if (options.signal?.aborted) {
        await reader.cancel();
        aborted(options.signal);
      }
      const { done, value } = await reader.read();
      if (done) break;
      if (loaded + value.length > bytes.length) {
        const grown = new Uint8Array(Math.max(2 * bytes.length, loaded + value.length));
        grown.set(bytes.subarray(0, loaded));
        bytes = grown;
      }
      bytes.set(value, loaded);
      loaded += value.length;
      options.onProgress?.({ loaded, total: Math.max(total, total && loaded) });
    }
    if (total !== 0 && loaded < total) fail('FETCH_FAILED', `${name} ended after ${loaded} of ${total} bytes`);
    return bytes.length === loaded ? bytes : bytes.slice(0, loaded);
  } catch (e) {
    if (e instanceof GhostFlowError) throw e;
    if (options.signal?.aborted) aborted(options.signal);
    if (e instanceof RangeError) fail('OUT_OF_MEMORY', `${name} does not fit into memory`, e);
    return fail('FETCH_FAILED', `${name} broke off: ${textOf(e)}`, e);
  }
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');

/** The hash of `integrity` in hexadecimal. */
function wanted(integrity: string): string {
  const text = /^sha256-(.+)$/.exec(integrity)?.[1] ?? '';
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  try {
    const raw = hex(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    if (raw.length === 64) return raw;
  } catch {
    // said below
  }
  return fail('INVALID_ARGUMENT', `integrity is 'sha256-' and the hash in hexadecimal or base64, not '${integrity}'`);
}

async function verified(bytes: Uint8Array, options: LoadOptions, name: string): Promise<Uint8Array> {
  if (options.integrity === undefined) return bytes;
  const expected = wanted(options.integrity), found = hex(await platform.sha256(bytes));
  if (found !== expected) fail('INTEGRITY_MISMATCH', `${name}: the SHA-256 of ${bytes.length} bytes is ${found}, not ${expected}`);
  return bytes;
}

/** The Cache API where it is, and allowed: a private window may refuse it. */
async function openCache(options: LoadOptions): Promise<Cache | undefined> {
  if (!options.cache || typeof caches === 'undefined') return undefined;
  return caches.open(CACHE).catch(() => undefined);
}

// What tells one version of a file from the next. ('' when the server gives neither.)
const version = (r: Response) => r.headers.get('etag') ?? r.headers.get('last-modified') ?? '';

async function readUrl(source: string | URL, options: LoadOptions): Promise<Uint8Array> {
  const url = platform.absolute(source);
  const name = String(source);
  const cache = /^https?:/.test(url) ? await openCache(options) : undefined;
  const key = options.integrity !== undefined ? new URL(`/ghostflow/sha256-${wanted(options.integrity)}`, url).href : url;
  const kept = await cache?.match(key);
  if (kept !== undefined && (options.integrity !== undefined || (await isCurrent(url, kept, options)))) {
    try {
      return await verified(await readResponse(kept, name, options), options, name);
    } catch (e) {
      // what the cache holds is not what it should be: as if it were not there
      if (!(e instanceof GhostFlowError) || (e.code !== 'INTEGRITY_MISMATCH' && e.code !== 'FETCH_FAILED')) throw e;
      await cache?.delete(key);
    }
  }
  const response = await get(url, options);
  if (response instanceof Uint8Array) {
    options.onProgress?.({ loaded: response.length, total: response.length });
    return verified(response, options, name);
  }
  const headers = new Headers();
  for (const h of ['etag', 'last-modified']) if (response.headers.get(h)) headers.set(h, response.headers.get(h)!);
  const bytes = await verified(await readResponse(response, name, options), options, name);
  headers.set('content-length', String(bytes.length));
  // a full disk costs only the cache
  if (options.integrity !== undefined || version(response) !== '') await cache?.put(key, new Response(bytes as Uint8Array<ArrayBuffer>, { headers })).catch(() => undefined);
  return bytes;
}

/** Asks the server. Who is offline has what is kept. */
async function isCurrent(url: string, kept: Response, options: LoadOptions): Promise<boolean> {
  try {
    const head = await fetch(url, { ...options.fetchOptions, method: 'HEAD', cache: 'no-cache', signal: options.signal });
    return head.ok && version(head) !== '' && version(head) === version(kept);
  } catch {
    if (options.signal?.aborted) aborted(options.signal);
    return true;
  }
}
