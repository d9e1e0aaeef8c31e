import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { Logger } from 'pino';

/** Before every key, so that the database may be shared with other programs. */
const PREFIX = 'proxmox-mcp:';
/** A command that takes longer counts as failed: whatever waits for it decides what to do without Redis. */
const COMMAND_MS = 1000;
const CONNECT_MS = 2000;
/**
 * A connection on which something is waited for and nothing comes is given up, and made anew: one that a router forgot
 * would be waited for a quarter of an hour, while the others change what this replica knows nothing of.
 */
const SILENT_MS = 3000;
/** Between two tries to connect, at most. */
const RETRY_MS = 1000;

/** The Redis that replicas share. A command fails at once while there is no connection: nothing is queued. */
export interface SharedRedis {
  readonly client: Redis;
  /** This process, unlike every other. */
  readonly replica: string;
  /** A connection of its own, for what blocks or subscribes; closed with this one. */
  connection(): Redis;
  /** The full name of a key or a channel. */
  key(name: string): string;
  isUp(): boolean;
  /** Calls a listener whenever the connection is made or lost. @returns ends the listening */
  onChange(listener: (isUp: boolean) => void): () => void;
  close(): void;
}

/**
 * Connects to REDIS_URL, and again whenever the connection is lost. Does not wait for the first connection.
 *
 * @param url with what it needs to log in; it is never shown
 */
export function connectRedis(url: string, logger: Logger): SharedRedis {
  const basics = {
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times: number) => Math.min(times * 50, RETRY_MS),
  };
  const listeners = new Set<(isUp: boolean) => void>();
  const connections: Redis[] = [];
  let isUp = false;
  const change = (next: boolean): void => {
    if (isUp === next) return;
    isUp = next;
    if (isUp) logger.info('redis answers');
    else logger.warn('redis does not answer: what replicas share can not be changed until it does');
    for (const listener of listeners) listener(isUp);
  };
  const client = open({ ...basics, commandTimeout: COMMAND_MS });
  client.on('ready', () => change(true));
  client.on('close', () => change(false));
  return {
    client,
    replica: randomUUID(),
    // Blocking commands take as long as they are told to.
    connection: () => open(basics),
    key: (name) => `${PREFIX}${name}`,
    isUp: () => isUp,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      for (const connection of connections) connection.disconnect();
    },
  };

  function open(given: typeof basics & { commandTimeout?: number }): Redis {
    const connection = new Redis(url, given);
    // Without a listener an unreachable Redis would end the process. The error may quote the address.
    connection.on('error', (error) =>
      logger.debug({ code: 'code' in error ? error.code : error.name }, 'redis'),
    );
    connections.push(connection);
    return connection;
  }
}
