/** Whether the server answers, and how old the newest event is: always visible, whatever is searched. */

import { api, asApiError } from './api';
import { timeOf } from './rows';

const EVERY_MS = 10_000;
const RETRY_MS = [2000, 4000, 8000, 15_000];

class Server {
  /** `@timestamp` of the newest event, epoch ms; null while unknown, NaN when there is none at all. */
  newest: number | null = $state(null);
  /** Since when it has not answered; 0 = it answers. */
  goneSince: number = $state(0);
  nextTry: number = $state(0);
  private timer = 0;
  private tries = 0;

  start(): void {
    void this.look();
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.look();
    });
  }

  /** Anything that got an answer, or none, tells it here. */
  saw(at: number): void {
    if (!Number.isNaN(at) && (this.newest === null || Number.isNaN(this.newest) || at > this.newest)) this.newest = at;
  }

  lost(): void {
    if (!this.goneSince) {
      this.goneSince = Date.now();
      this.tries = 0;
      this.again();
    }
  }

  async look(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const page = await api.search({ limit: 1 });
      const newest = page.events[0];
      if (newest) this.saw(timeOf(newest));
      else if (!page.cursor) this.newest = Number.NaN;
      this.goneSince = 0;
      this.tries = 0;
      this.timer = window.setTimeout(() => void this.look(), document.hidden ? EVERY_MS * 6 : EVERY_MS);
    } catch (error) {
      if (asApiError(error).unreachable) {
        if (!this.goneSince) this.goneSince = Date.now();
        this.again();
      } else {
        this.goneSince = 0;
        this.timer = window.setTimeout(() => void this.look(), EVERY_MS);
      }
    }
  }

  private again(): void {
    const wait = RETRY_MS[Math.min(this.tries++, RETRY_MS.length - 1)] ?? 15_000;
    this.nextTry = Date.now() + wait;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.look(), wait);
  }
}

export const server = new Server();
