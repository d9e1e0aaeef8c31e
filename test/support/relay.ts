import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { parseEndpoint } from '../../src/config/endpoint.ts';

type Fate = (socket: Socket) => void;

/** A TCP port in front of a node, below TLS: it can be closed, and lead connections astray. */
export class Relay {
  readonly port: number;
  /** What becomes of a new connection in place of being passed on. */
  fate: Fate | undefined;
  /** Connections that came, over all. */
  connections = 0;
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  private constructor(target: string, server: Server) {
    this.#target = parseEndpoint(target);
    this.port = (server.address() as AddressInfo).port;
    this.#use(server);
  }

  /** @param target `host:port` */
  static async start(target: string): Promise<Relay> {
    return new Relay(target, await listening(0));
  }

  /** Connections that are open now, on both sides. */
  get sockets(): number {
    return this.#sockets.size;
  }

  async open(): Promise<void> {
    this.#use(await listening(this.port));
  }

  /** Nothing listens any more, and every connection is cut. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    this.cut();
    await closed;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #use(server: Server): void {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#keep(socket);
      if (this.fate) this.fate(socket);
      else this.#pass(socket);
    });
  }

  #pass(socket: Socket): void {
    const onward = this.#keep(connect(this.#target.port, this.#target.host));
    socket.pipe(onward).pipe(socket);
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}
