/** The page's address is its whole state: it can be copied, reloaded, and gone back from. Pure. */

import { DEFAULT_RANGE, type Zone } from './time';

export type View = 'now' | 'search' | 'tail';

export interface Place {
  view: View;
  q: string;
  from: string;
  to: string;
  /** Empty = what this browser showed last, at first UTC. */
  tz: Zone | '';
  /** The selected event. */
  sel: string;
  /** Opened events. */
  open: string[];
  /** The event whose context is shown. */
  ctx: string;
  wrap: boolean;
  /** Fields added to the rail. */
  facets: string[];
}

export const START: Readonly<Place> = {
  view: 'now', q: '', from: DEFAULT_RANGE.from, to: DEFAULT_RANGE.to, tz: '', sel: '', open: [], ctx: '', wrap: false, facets: [],
};

const VIEWS: Record<string, View> = { '/': 'now', '/search': 'search', '/tail': 'tail' };
const LIST_MOST = 20;

const list = (value: string | null): string[] => (value ?? '').split(',').filter(Boolean).slice(0, LIST_MOST);

/** Reads an address. Unknown parameters and values are left out, never an error. */
export function parsePlace(pathname: string, search: string): Place {
  const params = new URLSearchParams(search);
  const q = params.get('q') ?? '';
  const known = VIEWS[pathname.replace(/(.)\/+$/, '$1')] ?? 'now';
  const tz = params.get('tz');
  // A range given in part is a range: `?to=…` alone has no start.
  const ranged = params.has('from') || params.has('to');
  return {
    view: known === 'now' && q ? 'search' : known,
    q,
    from: ranged ? clean(params.get('from')) : START.from,
    to: clean(params.get('to')),
    tz: tz === 'utc' || tz === 'browser' ? tz : '',
    sel: params.get('sel') ?? '',
    open: list(params.get('open')),
    ctx: params.get('ctx') ?? '',
    wrap: params.get('wrap') === '1',
    facets: list(params.get('facets')),
  };
}

const clean = (value: string | null): string => (value === 'all' ? '' : (value ?? '').trim());

/** Writes an address; what has its default is left out. */
export function formatPlace(place: Place): string {
  const params = new URLSearchParams();
  if (place.q) params.set('q', place.q);
  if (place.from !== START.from || place.to !== START.to) {
    params.set('from', place.from || 'all');
    if (place.to) params.set('to', place.to);
  }
  if (place.tz) params.set('tz', place.tz);
  if (place.wrap) params.set('wrap', '1');
  if (place.facets.length) params.set('facets', place.facets.join(','));
  if (place.sel) params.set('sel', place.sel);
  if (place.open.length) params.set('open', place.open.join(','));
  if (place.ctx) params.set('ctx', place.ctx);
  const path = place.view === 'now' ? '/' : `/${place.view}`;
  // Colons, commas and the like are legal in a query and easier to read as they are.
  const tail = params.toString().replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%2F/g, '/').replace(/%28/g, '(').replace(/%29/g, ')').replace(/%22/g, '"');
  return tail ? `${path}?${tail.replace(/"/g, '%22')}` : path;
}
