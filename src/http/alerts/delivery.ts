import type { Logger } from 'pino';
import type { AlertStore } from '../../access/alerts/store.ts';
import type { Alert } from '../../clusters/alerts/alert.ts';
import type { AlertBoard } from '../../clusters/alerts/board.ts';
import { resolvedText } from '../../clusters/alerts/texts.ts';
import { bodyOf, type Change } from './body.ts';
import type { PostOutcome } from './webhook.ts';

export interface DeliveryOptions {
  board: Pick<AlertBoard, 'active' | 'isOver' | 'onChange' | 'restore'>;
  store: Pick<AlertStore, 'lead' | 'release' | 'told' | 'tell'>;
  /** Sends one body once. Never rejects. */
  post(body: string, signal: AbortSignal): Promise<PostOutcome>;
  /** This process, unlike every other. */
  holder: string;
  newId(): string;
  /** Epoch milliseconds. */
  now(): number;
  logger: Logger;
  times?: Partial<Times>;
}

/** In milliseconds. */
interface Times {
  /** Between two looks at whether this process tells, and whether anything is left to tell. */
  tick: number;
  /** From a change to its telling: what comes together goes together. */
  gather: number;
  /** Before the second try, the third, and so on; after the last one it rests. */
  retries: readonly number[];
  /** After a batch could not be delivered. */
  rest: number;
}

const TIMES: Times = { tick: 20_000, gather: 1_000, retries: [2_000, 8_000, 30_000], rest: 5 * 60_000 };
/** A process that says nothing for so long is gone: another one tells. */
const LEASE_MS = 60_000;

/**
 * Tells a webhook what has changed since it was last told. What it knows is kept in the state, so that neither a restart
 * nor another replica says the same thing twice; what holds is compared with that, so that nothing is lost meanwhile.
 * One process of all that share the state tells.
 */
export class AlertDelivery {
  readonly #options: DeliveryOptions;
  readonly #times: Times;
  readonly #closing = new AbortController();
  #ticker: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #isWanted = false;
  #restsUntil = 0;
  #leads = false;
  #stopListening: (() => void) | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
  }

  /** Takes up what the webhook knows, and begins; call it before anything is looked at. Never throws. */
  async start(): Promise<void> {
    const { board, store, logger } = this.#options;
    try {
      board.restore(await store.told());
    } catch (error) {
      logger.warn({ err: error }, 'which alerts were sent before could not be read: some may be sent again');
    }
    if (this.#closing.signal.aborted) return;
    this.#stopListening = board.onChange(() => this.#soon());
    this.#ticker = setInterval(() => this.#tick(), this.#times.tick).unref();
    this.#tick();
  }

  /** Ends the telling, a try under way included, and lets another process go on. Never throws. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#stopListening?.();
    clearInterval(this.#ticker);
    clearTimeout(this.#gathering);
    await this.#working;
    if (!this.#leads) return;
    const { store, holder } = this.#options;
    await store.release(holder).catch(() => undefined);
  }

  /** Tells what is to be told now, and waits for it; for tests and the end of a batch. Never throws. */
  async flush(): Promise<void> {
    this.#tick();
    while (this.#working !== undefined) await this.#working;
  }

  #soon(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#tick();
    }, this.#times.gather).unref();
  }

  #tick(): void {
    if (this.#closing.signal.aborted) return;
    if (this.#working !== undefined) {
      this.#isWanted = true;
      return;
    }
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
      if (!this.#isWanted) return;
      this.#isWanted = false;
      this.#tick();
    });
  }

  async #work(): Promise<void> {
    const { store, now, logger } = this.#options;
    try {
      if (!(await this.#lead()) || now() < this.#restsUntil) return;
      const changes = this.#changes(await store.told());
      if (changes.length > 0 && (await this.#send(changes))) {
        const alertsOf = (isOver: boolean): Alert[] =>
          changes.filter(({ event }) => (event === 'resolved') === isOver).map(({ alert }) => alert);
        await store.tell(alertsOf(false), alertsOf(true));
      }
    } catch (error) {
      // The state can't be used: who may send is not known, so nobody does.
      this.#leads = false;
      logger.warn({ err: error }, 'alerts can not be sent now');
    }
  }

  async #lead(): Promise<boolean> {
    const { store, holder, now, logger } = this.#options;
    const leads = await store.lead(holder, now(), now() + LEASE_MS);
    if (leads !== this.#leads) logger.info({ leads }, 'whether this process sends the alerts');
    this.#leads = leads;
    return leads;
  }

  /** What holds, held against what the webhook was told. */
  #changes(told: readonly Alert[]): Change[] {
    const { board, now } = this.#options;
    const known = new Map(told.map((alert) => [alert.id, alert]));
    const active = board.active();
    const at = now();
    const begun = active.flatMap((alert): Change[] => {
      const before = known.get(alert.id);
      const { message } = alert;
      if (before === undefined) return [{ event: 'raised', alert, message, at }];
      return before.severity === alert.severity ? [] : [{ event: 'changed', alert, message, at }];
    });
    const ended = told
      .filter((alert) => board.isOver(alert))
      .map((alert): Change => ({ event: 'resolved', alert, message: resolvedText(alert), at }));
    return [...begun, ...ended];
  }

  /** @returns whether it was taken; what was refused is no better for being repeated at once */
  async #send(changes: readonly Change[]): Promise<boolean> {
    const { newId, now, post, logger } = this.#options;
    const { signal } = this.#closing;
    const body = JSON.stringify(bodyOf(changes, { id: newId(), at: now() }));
    for (const [index, pause] of [...this.#times.retries, undefined].entries()) {
      const outcome = await post(body, signal);
      if (signal.aborted) return false;
      const about = { ...outcome, alerts: changes.length, attempt: index + 1 };
      if ('status' in outcome && outcome.status >= 200 && outcome.status < 300) {
        logger.info(about, 'alerts sent');
        return true;
      }
      logger.warn(about, 'the webhook did not take the alerts');
      if (pause === undefined || ('status' in outcome && !isPassing(outcome.status))) break;
      await this.#pause(pause);
      // Another process that took it over meanwhile sends the same.
      if (signal.aborted || !(await this.#lead())) return false;
    }
    this.#restsUntil = now() + this.#times.rest;
    logger.error(
      { alerts: changes.length },
      'alerts could not be sent: they are tried again in some minutes',
    );
    return false;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#closing.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}

/** Whether the same may be taken a little later. */
function isPassing(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}
