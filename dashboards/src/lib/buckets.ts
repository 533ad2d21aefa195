/** Starts of a histogram's buckets. Pure. */

const MOST = 2000;

/**
 * All starts from `from` to `to`, as far as they are known; where one is missing, places a step apart. Starts that the
 * server gave stay as they are: days are not all equally long.
 */
export function withoutGaps(starts: readonly number[], step: number, from: number | null, to: number | null): number[] {
  const known = [...starts].sort((a, b) => a - b);
  const first = known[0] ?? from ?? (to ?? 0) - step;
  const out: number[] = [];
  const before: number[] = [];
  for (let t = first - step; from !== null && t + step > from && before.length < MOST; t -= step) before.unshift(t);
  out.push(...before);
  const fill = (until: number): void => {
    let t = out[out.length - 1];
    while (t !== undefined && until - t > step * 1.5 && out.length < MOST) out.push((t += step));
  };
  for (const start of known.length ? known : [first]) {
    fill(start);
    out.push(start);
  }
  // The last bucket ends a step after it begins.
  fill((to ?? 0) + step * .5);
  return out;
}
