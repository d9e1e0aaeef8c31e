import type { VisibleAlerts } from '../access/alerts/sight.ts';
import type { AlertChange } from '../clusters/alerts/alert.ts';
import type { Caller } from './dispatcher.ts';

/** A change of an alert as `notifications/message` carries it. */
export interface AlertMessage {
  [key: string]: unknown;
  level: 'notice' | 'warning' | 'critical';
  logger: 'alerts';
  data: Record<string, unknown>;
}

interface Listener {
  /** Who reads what is told. */
  caller: Caller;
  tell(message: AlertMessage): void;
}

/** Tells those who hold a stream of what they could have read themselves, when it comes, gets worse and ends. */
export class AlertNews {
  readonly #sightOf: (caller: Caller) => Pick<VisibleAlerts, 'sees'>;
  readonly #listeners = new Set<Listener>();

  /** @param sightOf what that caller may see now; throws where its cluster is gone */
  constructor(sightOf: (caller: Caller) => Pick<VisibleAlerts, 'sees'>) {
    this.#sightOf = sightOf;
  }

  /** How many listeners there are, for those who look for a leak. */
  get size(): number {
    return this.#listeners.size;
  }

  /**
   * @param caller the one who opened the stream: who may see less or more in the same session does not read it
   * @returns takes the listener back
   */
  subscribe(caller: Caller, tell: Listener['tell']): () => void {
    const listener = { caller, tell };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  announce(changes: readonly AlertChange[]): void {
    for (const { caller, tell } of [...this.#listeners]) {
      const sight = this.#sightFor(caller);
      for (const change of changes) if (sight?.sees(change.alert)) tell(messageOf(change));
    }
  }

  #sightFor(caller: Caller): Pick<VisibleAlerts, 'sees'> | undefined {
    try {
      return this.#sightOf(caller);
    } catch {
      return undefined;
    }
  }
}

function messageOf({ event, alert, message, at }: AlertChange): AlertMessage {
  const { id, kind, severity, cluster, subject, since } = alert;
  return {
    level: event === 'resolved' ? 'notice' : severity,
    logger: 'alerts',
    data: {
      event,
      id,
      kind,
      severity,
      ...(cluster === undefined ? {} : { cluster }),
      subject,
      message,
      since: new Date(since).toISOString(),
      at: new Date(at).toISOString(),
    },
  };
}
