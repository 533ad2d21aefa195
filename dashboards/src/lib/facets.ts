/** Which fields are counted, and under which query. Pure. */

import { terms, without } from './query';

export const RAIL = [
  'log.level', 'service.type', 'host.name', 'error.type', 'log.logger', 'log.file.path', 'wso2.tenant.id',
  'wso2.artifact.name', 'http.response.status_code',
] as const;
export const FACET_VALUES = 12;

/** A field that is filtered on is counted without its own filter, so that its other values can be chosen too. */
export function facetRequests(q: string, fields: readonly string[]): { q: string; fields: string[] }[] {
  const filtered = new Set((terms(q) ?? []).filter((one) => one.field && one.values).map((one) => one.field));
  const free = fields.filter((field) => !filtered.has(field));
  const own = fields.filter((field) => filtered.has(field)).map((field) => ({ q: without(q, field), fields: [field] }));
  return free.length ? [{ q, fields: free }, ...own] : own;
}
