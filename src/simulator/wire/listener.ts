import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer, type Server } from 'node:https';
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Certificate } from '../certificate.ts';

const IDLE_MS = 5000;
const HEADER_BYTES = 8192;

/** What becomes of a new connection: nothing ever happens, or nothing after TLS; undefined lets it through. */
type Fate = () => 'blackhole' | 'half-open' | undefined;

interface Secrets {
  key: string;
  cert: string;
}

/** One address: TCP in front, so that a connection can be led astray before TLS, and HTTPS behind it. */
export class Listener {
  readonly #https: Server;
  readonly #fate: Fate;
  readonly #sockets = new Set<Socket>();
  readonly #host: string;
  #secrets: Secrets;
  #tcp: NetServer | undefined;
  #port: number;

  constructor(
    { host, port, certificate }: { host: string; port: number; certificate: Certificate },
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    fate: Fate,
  ) {
    this.#host = host;
    this.#port = port;
    this.#fate = fate;
    this.#secrets = { key: certificate.key, cert: certificate.pem };
    const options = { ...this.#secrets, maxHeaderSize: HEADER_BYTES, keepAliveTimeout: IDLE_MS };
    this.#https = createHttpsServer(options, serve);
  }

  get port(): number {
    return this.#port;
  }

  async open(): Promise<void> {
    if (this.#tcp) return;
    const tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#tcp = tcp;
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(this.#port, this.#host, resolve);
    });
    this.#port = (tcp.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const tcp = this.#tcp;
    this.#tcp = undefined;
    if (!tcp) return;
    const closed = new Promise<void>((resolve) => tcp.close(() => resolve()));
    this.#cut();
    await closed;
  }

  /** Shows another certificate to whoever connects from now on; all others have to connect again. */
  present({ key, pem }: Certificate): void {
    this.#secrets = { key, cert: pem };
    this.#https.setSecureContext(this.#secrets);
    this.#cut();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const fate = this.#fate();
    if (fate === undefined) this.#https.emit('connection', socket);
    // Unread bytes would hide that the client has gone, and keep its connection here for ever.
    if (fate === 'blackhole') socket.resume();
    if (fate !== 'half-open') return;
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: createSecureContext(this.#secrets),
    });
    secured.on('error', () => socket.destroy());
    secured.resume();
  }

  /** Raw sockets, so that one in the middle of its handshake is closed too. */
  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
