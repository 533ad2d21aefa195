/** Errors and warnings of the last hour, put together by what went wrong. Pure. */

import { className } from './format';
import { quoted } from './query';
import { timeOf } from './rows';
import { levelOf, text, type Level, type LogEvent } from './types';

export const BARS = 60;
const PHRASE_MOST = 80;

export interface Group {
  key: string;
  level: Level | '';
  title: string;
  message: string;
  /** First own frame, or what stands for it. */
  frame: string;
  hosts: string[];
  products: string[];
  bars: number[];
  count: number;
  /** False: there are at least so many. */
  exact: boolean;
  first: number;
  last: number;
  /** `error.group`, when the event has one. */
  group: string;
  /** The search that finds these events. */
  query: string;
}

/** Digits, ids and quoted values as placeholders, so that lines that differ in them alone fall together. */
export function masked(message: string): string {
  return message
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '‹uuid›')
    .replace(/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b/gi, '‹id›')
    .replace(/\b\d+(?:[.:]\d+)*(?=\b|[a-z])/gi, '‹num›');
}

/** The longest run of whole words between placeholders, to search for. */
export function constantPart(mask: string): string {
  const runs = mask.split(/\S*‹\w+›\S*/).map((run) => run.trim());
  const best = runs.reduce((longest, run) => (run.length > longest.length ? run : longest), '');
  return best.length <= PHRASE_MOST ? best : best.slice(0, PHRASE_MOST).replace(/\s+\S*$/, '');
}

function keyOf(event: LogEvent): string {
  const group = text(event, 'error.group');
  if (group) return `group ${group}`;
  return `mask ${text(event, 'log.logger')} ${text(event, 'error.type')} ${masked(text(event, 'message')).slice(0, 200)}`;
}

function queryOf(event: LogEvent): string {
  const group = text(event, 'error.group');
  if (group) return `error.group:${quoted(group)}`;
  const level = text(event, 'log.level');
  const logger = text(event, 'log.logger');
  const part = constantPart(masked(text(event, 'message').split('\n')[0] ?? ''));
  return [level && `level:${level}`, logger && `logger:${quoted(logger)}`, part && `"${part.replace(/[\\"]/g, '\\$&')}"`].filter(Boolean).join(' ');
}

const RANK: Record<string, number> = { FATAL: 3, ERROR: 2, WARN: 1 };

/** Groups of these events, which stand newest first; bars cover `from` … `to`. */
export function groupsOf(events: readonly LogEvent[], from: number, to: number, exact: boolean): Group[] {
  const groups = new Map<string, Group>();
  for (const event of events) {
    const key = keyOf(event);
    const at = timeOf(event);
    let group = groups.get(key);
    if (!group) {
      group = newGroup(key, event, at, exact);
      groups.set(key, group);
    }
    group.count++;
    group.first = Math.min(group.first, at);
    group.last = Math.max(group.last, at);
    const bar = Math.min(BARS - 1, Math.max(0, Math.floor(((at - from) / (to - from)) * BARS)));
    group.bars[bar] = (group.bars[bar] ?? 0) + 1;
    put(group.hosts, text(event, 'host.name'));
    put(group.products, text(event, 'service.type'));
    const level = levelOf(event);
    if ((RANK[level] ?? 0) > (RANK[group.level] ?? 0)) group.level = level;
  }
  return [...groups.values()].sort((a, b) => (RANK[b.level] === 3 ? 1 : 0) - (RANK[a.level] === 3 ? 1 : 0) || b.count - a.count);
}

function newGroup(key: string, event: LogEvent, at: number, exact: boolean): Group {
  const type = text(event, 'error.type');
  const logger = text(event, 'log.logger');
  const frame = text(event, 'wso2.error.frame');
  const own = text(event, 'error.message') || text(event, 'message');
  return {
    key, level: levelOf(event), title: className(type || logger || text(event, 'event.dataset') || 'event'),
    message: masked(own.split('\n')[0] ?? '').slice(0, 300),
    frame: frame ? `at ${frame.replace(/^at\s+/, '')}` : `no stack · ${logger || text(event, 'log.file.path')}`,
    hosts: [], products: [], bars: Array<number>(BARS).fill(0), count: 0, exact, first: at, last: at,
    group: text(event, 'error.group'), query: queryOf(event),
  };
}

function put(list: string[], value: string): void {
  if (value && !list.includes(value)) list.push(value);
}

/** A placeholder is dimmed; the rest is as written. */
export function maskParts(mask: string): { text: string; dim: boolean }[] {
  return mask.split(/(‹\w+›)/).filter(Boolean).map((part) => ({ text: part, dim: part.startsWith('‹') && part.endsWith('›') }));
}
