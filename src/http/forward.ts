import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as sendHttp } from 'node:http';
import { Agent as HttpsAgent, request as sendHttps } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { HOP_HEADER } from '../replicas/hop.ts';
import type { Replica } from '../replicas/registry.ts';

/** A connection that was not made by then counts as refused. */
const CONNECT_MS = 2000;
/** Shorter than what the other side keeps, so that it seldom closes one that is just being used. */
const IDLE_MS = 20_000;
/** Also of a connection on which an answer is waited for: a machine that vanished says nothing. */
const KEEP_ALIVE_MS = 10_000;
/** Of one connection alone (RFC 9110, section 7.6.1), and what Node's server has answered already. */
const OF_ONE_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);

/** Sends requests to other replicas, over connections that are kept. */
export class Forwarder {
  readonly #http = new HttpAgent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, timeout: IDLE_MS });
  readonly #https = new HttpsAgent({ keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, timeout: IDLE_MS });

  /**
   * Connects, and sends nothing yet.
   *
   * @returns the request to write to; undefined where nobody takes the connection, or another one than that replica
   */
  async connect(owner: Replica, request: IncomingMessage, hop: string): Promise<ClientRequest | undefined> {
    const url = new URL(owner.url);
    // What it has said of its certificate through Redis is more than a name in it: replicas have addresses for names.
    const pinned = isSecureUrl(url) ? owner.fingerprint : undefined;
    const isSecure = isSecureUrl(url);
    // The Host stays the client's, and is held against the other replica's list.
    const upstream = (isSecure ? sendHttps : sendHttp)({
      agent: isSecure ? this.#https : this.#http,
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port,
      method: request.method,
      path: request.url,
      headers: [...passedOn(request.rawHeaders), HOP_HEADER, hop],
      ...(pinned === undefined ? {} : { rejectUnauthorized: false }),
    });
    return await connected(upstream, isSecure, pinned);
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/**
 * The headers that are the message's and not its connection's.
 *
 * @param raw name and value by turns
 */
export function passedOn(raw: readonly string[]): string[] {
  const named = new Set(OF_ONE_CONNECTION).add(HOP_HEADER);
  const pairs = raw.flatMap((name, index) =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : [],
  );
  for (const [name, value] of pairs) {
    if (name.toLowerCase() !== 'connection') continue;
    for (const other of value.split(',')) named.add(other.trim().toLowerCase());
  }
  return pairs.filter(([name]) => !named.has(name.toLowerCase())).flat();
}

function isSecureUrl({ protocol }: URL): boolean {
  return protocol === 'https:';
}

/** Nothing is written before it resolves, so that no token reaches anyone else. */
function connected(
  upstream: ClientRequest,
  isSecure: boolean,
  pinned: string | undefined,
): Promise<ClientRequest | undefined> {
  return new Promise((resolve) => {
    const refuse = () => {
      clearTimeout(timer);
      upstream.destroy();
      resolve(undefined);
    };
    const accept = () => {
      clearTimeout(timer);
      upstream.off('error', refuse);
      upstream.setTimeout(0);
      resolve(upstream);
    };
    const timer = setTimeout(refuse, CONNECT_MS);
    upstream.once('error', refuse);
    // What comes after the connection stands is for whoever uses it; without a listener it would end the process.
    upstream.on('error', () => undefined);
    upstream.once('socket', (socket) => {
      // One that is used again was judged when it was new.
      if (upstream.reusedSocket || !(socket.connecting || isSecure)) return accept();
      socket.once(isSecure ? 'secureConnect' : 'connect', () =>
        pinned === undefined || shown(socket as TLSSocket) === pinned ? accept() : refuse(),
      );
    });
  });
}

function shown(socket: TLSSocket): string | undefined {
  return socket.getPeerX509Certificate()?.fingerprint256;
}
