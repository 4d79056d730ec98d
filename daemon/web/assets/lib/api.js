// Asking the daemon.
import { list } from './values.js';

export const kTimeoutMs = 8_000;

export class ApiError extends Error {
  constructor(kind, title, detail = '', status = 0) {
    super(title);
    Object.assign(this, { kind, title, detail, status });
  }
}

export let skewMs = 0; // the daemon's clock minus the browser's, where it matters
export const now = () => Date.now() + skewMs;

export function query(params) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, value);
  }
  const text = search.toString();
  return text && '?' + text;
}

export async function api(path, params, signal) {
  const limit = AbortSignal.timeout(kTimeoutMs);
  const broken = (detail) =>
    signal?.aborted
      ? new ApiError('aborted', 'Given up')
      : new ApiError(
          'unreachable',
          'No answer',
          limit.aborted ? `Nothing came within ${kTimeoutMs / 1000} s.` : detail,
        );
  let response;
  try {
    response = await fetch('api/v1/' + path + query(params), {
      cache: 'no-cache',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch {
    throw broken('The connection failed.');
  }
  const skew = Date.parse(response.headers.get('Date') ?? '') - Date.now();
  skewMs = Math.abs(skew) > 3000 ? skew : 0;
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw broken('The answer broke off.');
  }
  if (!response.ok)
    throw new ApiError(
      'refused',
      body?.title ?? `HTTP ${response.status}`,
      body?.detail ?? '',
      response.status,
    );
  if (body === null || typeof body !== 'object')
    throw new ApiError('refused', 'The answer is not JSON');
  return body;
}

export const apiList = async (name, params, signal) => list((await api(name, params, signal))[name]);
