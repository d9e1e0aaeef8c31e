import type { SharedRedis } from './redis.ts';

/** What one replica tells all others at once. Whoever is not there misses it: it may only hurry what happens anyway. */
export class ReplicaBus {
  readonly #redis: SharedRedis;
  readonly #listeners = new Map<string, Set<(text: string) => void>>();

  constructor(redis: SharedRedis) {
    this.#redis = redis;
    const connection = redis.connection();
    const channel = redis.key('bus');
    // Nothing is queued while there is no connection, so each one subscribes anew.
    connection.on('ready', () => {
      connection.subscribe(channel).catch(() => undefined);
    });
    connection.on('message', (_channel, message) => this.#heard(message));
  }

  /** Tells the others, and not this replica. Never throws; while Redis does not answer nobody hears it. */
  async tell(topic: string, text = ''): Promise<void> {
    const message = JSON.stringify({ from: this.#redis.replica, topic, text });
    await this.#redis.client.publish(this.#redis.key('bus'), message).catch(() => undefined);
  }

  /** Calls a listener with what another replica tells. @returns ends the listening */
  on(topic: string, listener: (text: string) => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  #heard(message: string): void {
    const { from, topic, text } = parsed(message);
    if (from === this.#redis.replica || typeof topic !== 'string') return;
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener(String(text ?? ''));
  }
}

/** What another program says on this channel is nothing. */
function parsed(message: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(message);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
