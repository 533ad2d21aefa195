/** The HTTP endpoint. Every request goes to the origin the page came from; nothing else is ever asked. */

import type {
  ErrorBody, FacetsAnswer, FieldInfo, HistogramAnswer, LogEvent, ParseAnswer, SearchPage, ValueCount,
} from './types';

export type Params = Record<string, string | number | boolean | undefined>;

/** The server refused (`status` > 0) or did not answer (`status` 0). */
export class ApiError extends Error {
  readonly status: number;
  readonly kind: string;
  /** Byte offset in the query. */
  readonly at: number | null;
  readonly hint: string;

  constructor(status: number, body: ErrorBody) {
    super(body.message);
    this.name = 'ApiError';
    this.status = status;
    this.kind = body.kind;
    this.at = body.at ?? null;
    this.hint = body.hint ?? '';
  }

  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 504;
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  return new ApiError(0, { kind: 'unreachable', message: error instanceof Error ? error.message : String(error) });
}

export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value !== undefined && value !== '') query.set(key, String(value));
  }
  const tail = query.toString();
  return tail ? `/v1/${path}?${tail}` : `/v1/${path}`;
}

async function get<T>(url: string, signal?: AbortSignal): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(url, {
      headers: { accept: 'application/json' },
      credentials: 'same-origin',
      cache: 'no-store',
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, { kind: 'unreachable', message: 'the server does not answer' });
  }
  if (answer.ok) return (await answer.json()) as T;
  let body: ErrorBody = { kind: 'http', message: `the server answered ${answer.status}` };
  try {
    const parsed = (await answer.json()) as { error?: ErrorBody };
    if (parsed.error?.message) body = parsed.error;
  } catch {
    // The body is not ours (a proxy's page); the status says enough.
  }
  throw new ApiError(answer.status, body);
}

export const api = {
  search: (params: Params, signal?: AbortSignal) => get<SearchPage>(address('search', params), signal),
  count: (params: Params, signal?: AbortSignal) =>
    get<{ count: number; complete?: boolean }>(address('count', params), signal),
  histogram: (params: Params, signal?: AbortSignal) => get<HistogramAnswer>(address('histogram', params), signal),
  facets: (params: Params, signal?: AbortSignal) => get<FacetsAnswer>(address('facets', params), signal),
  fields: (signal?: AbortSignal) => get<{ fields: FieldInfo[] }>(address('fields'), signal),
  values: (params: Params, signal?: AbortSignal) => get<{ values: ValueCount[] }>(address('values', params), signal),
  event: (id: string, params: Params = {}, signal?: AbortSignal) =>
    get<LogEvent>(address(`event/${encodeURIComponent(id)}`, params), signal),
  context: (id: string, params: Params, signal?: AbortSignal) =>
    get<{ events: LogEvent[]; complete?: boolean }>(address(`context/${encodeURIComponent(id)}`, params), signal),
  parse: (q: string, signal?: AbortSignal) => get<ParseAnswer>(`/v1/parse?q=${encodeURIComponent(q)}`, signal),
  tail: (q: string) => new EventSource(address('tail', { q })),
};
