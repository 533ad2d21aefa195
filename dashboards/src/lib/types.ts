/** What the server answers. Field names are ECS, flat; unknown ones pass through untouched. */

export const LEVELS = ['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE'] as const;
export type Level = (typeof LEVELS)[number];

export type FieldValue = string | number | boolean | null | readonly (string | number | boolean)[];

export interface LogEvent {
  readonly id: string;
  readonly '@timestamp': string;
  readonly message?: string;
  readonly [field: string]: FieldValue | undefined;
}

export interface SearchPage {
  events: LogEvent[];
  cursor: string | null;
  complete: boolean;
  /** Events that only repeat another file's, and are not shown. */
  left_out?: { copies: number };
  took_ms?: number;
}

export interface Bucket {
  /** Start of the bucket, as epoch milliseconds or RFC 3339. */
  from: number | string;
  count: number;
  by?: Record<string, number>;
}

export interface HistogramAnswer {
  interval_ms: number;
  buckets: Bucket[];
  complete?: boolean;
}

export interface ValueCount {
  value: string | number | boolean;
  count: number;
}

export interface FacetsAnswer {
  fields: Record<string, ValueCount[]>;
  complete?: boolean;
}

export interface FieldInfo {
  name: string;
  alias?: string | null;
  type?: string;
  /** Events that have it. */
  count?: number;
}

export interface ParseAnswer {
  /** Offsets are bytes of the UTF-8 text. */
  tokens: { from: number; to: number; kind: string }[];
  error: ErrorBody | null;
}

export interface ErrorBody {
  kind: string;
  message: string;
  /** Byte of the query, or null. */
  at?: number | null;
  hint?: string | null;
}

export function levelOf(event: LogEvent): Level | '' {
  const level = event['log.level'];
  return typeof level === 'string' && (LEVELS as readonly string[]).includes(level) ? (level as Level) : '';
}

/** A field as text; lists are joined, missing is empty. */
export function text(event: LogEvent, field: string): string {
  const value = event[field];
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}
