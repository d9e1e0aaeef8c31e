import { Agent, request as send } from 'undici';
import { type Answering, startWireServer, type WireServer } from './wire-server.ts';

/** A reverse proxy in front of a node, with a certificate of its own: it passes calls on, or answers in its place. */
export class Front {
  readonly server: WireServer;
  /** What it answers itself; undefined passes the call on. */
  answer: Answering | undefined;
  readonly #agent = new Agent({ connect: { rejectUnauthorized: false } });

  private constructor(server: WireServer) {
    this.server = server;
  }

  /** @param target `host:port` of the node */
  static async start(target: string): Promise<Front> {
    const server = await startWireServer((request, response, socket) => {
      if (front.answer) front.answer(request, response, socket);
      else front.#pass(target, request, response).catch(() => socket.destroy());
    });
    const front = new Front(server);
    return front;
  }

  /** Whatever came that could change something. */
  get writes(): number {
    return this.server.requests.filter(({ method }) => method !== 'GET').length;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
    await this.server.close();
  }

  async #pass(
    target: string,
    request: Parameters<Answering>[0],
    response: Parameters<Answering>[1],
  ): Promise<void> {
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
    const answer = await send(`https://${target}${request.url}`, {
      method: request.method as 'GET',
      headers,
      dispatcher: this.#agent,
      ...(request.body === '' ? {} : { body: request.body }),
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    const { connection: _gone, 'transfer-encoding': _chunked, ...passed } = answer.headers;
    response.writeHead(answer.statusCode, answer.statusText, { ...passed, 'content-length': body.length });
    response.end(body);
  }
}
