import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { callApi, needsLogin, UnreachableNode } from '../api.ts';
import type { Certificate } from '../certificate.ts';
import { ApiError } from '../errors.ts';
import { type Exchange, type Faults, strike } from '../faults.ts';
import type { RequestRecorder } from '../requests.ts';
import type { ClusterState } from '../state/cluster-state.ts';
import { Timers } from '../timers.ts';
import { type Answer, earlyRefusal, refusal, send, success } from './answer.ts';
import { authenticate, NOBODY } from './authenticate.ts';
import {
  type Fields,
  parseBody,
  readBody,
  readTarget,
  refuseBody,
  refuseEnvelope,
  type Target,
} from './request.ts';

const IDLE_MS = 5000;
const REQUESTS_PER_CONNECTION = 100;
const HEADER_BYTES = 8192;

export interface NodeContext {
  state: ClusterState;
  faults: Faults;
  recorder: RequestRecorder;
  certificate: Certificate;
  authDelayMs: number;
}

/** The HTTPS front of one node. Every node of a cluster answers from the same state. */
export class NodeServer {
  readonly #context: NodeContext;
  readonly #node: string;
  readonly #host: string;
  readonly #timers = new Timers();
  readonly #sockets = new Set<Socket>();
  readonly #served = new WeakMap<Socket, number>();
  #server: Server | undefined;
  #port: number;

  /** @param port 0 takes a free one, which is kept over a stop and a start */
  constructor(context: NodeContext, node: string, host: string, port: number) {
    this.#context = context;
    this.#node = node;
    this.#host = host;
    this.#port = port;
  }

  get port(): number {
    return this.#port;
  }

  async listen(): Promise<void> {
    if (this.#server) return;
    const { key, pem } = this.#context.certificate;
    const options = { key, cert: pem, maxHeaderSize: HEADER_BYTES, keepAliveTimeout: IDLE_MS };
    const server = createServer(options, (request, response) => void this.#serve(request, response));
    // Raw sockets, so that one in the middle of its handshake is closed too.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, this.#host, resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#timers.clear();
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { state, faults, recorder } = this.#context;
    const arrived = performance.now();
    const target = readTarget(request);
    const record = recorder.open(this.#node, request.method ?? '', target);
    state.tasks.settle();
    try {
      const body = parseBody(request, await readBody(request));
      recorder.addBody(record, body ?? {});
      const exchange: Exchange = {
        response,
        socket: request.socket,
        timers: this.#timers,
        answer: () => this.#answer(request, target, body, arrived),
        send: (answer) => {
          record.status = answer.status;
          send(response, answer, this.#isLast(request.socket));
        },
      };
      const fault = faults.take(this.#node, `${request.method} ${target.apiPath ?? target.wirePath}`);
      if (fault) await strike(fault, exchange);
      else exchange.send(await exchange.answer());
    } catch {
      // The client went away while it was sending.
      request.socket.destroy();
    }
  }

  #isLast(socket: Socket): boolean {
    const served = (this.#served.get(socket) ?? 0) + 1;
    this.#served.set(socket, served);
    return served >= REQUESTS_PER_CONNECTION;
  }

  /** Executes a call. A 401 is held back, measured from the arrival, so that guessing is slow. */
  async #answer(
    request: IncomingMessage,
    target: Target,
    body: Fields | undefined,
    arrived: number,
  ): Promise<Answer> {
    const answer = this.#execute(request, target, body);
    if (answer.status === 401) {
      await this.#timers.delay(this.#context.authDelayMs - (performance.now() - arrived));
    }
    return answer;
  }

  #execute(request: IncomingMessage, target: Target, body: Fields | undefined): Answer {
    const { state } = this.#context;
    const { method: verb = '' } = request;
    const { apiPath: path, query, wirePath } = target;
    let early = true;
    try {
      refuseEnvelope(request);
      if (path === undefined) throw new ApiError(501, `no such file '${wirePath}'`);
      const identity = needsLogin(verb, path) ? authenticate(state, request) : NOBODY;
      refuseBody(request);
      if (body === undefined) throw new ApiError(500, 'malformed JSON in the request body');
      early = false;
      const given = { ...body, ...query };
      return success(callApi(state, { verb, path, given, identity, localNode: this.#node }));
    } catch (error) {
      if (error instanceof UnreachableNode) return earlyRefusal(595, error.message);
      if (!(error instanceof ApiError)) return earlyRefusal(500, `simulator: ${String(error)}`);
      return early ? earlyRefusal(error.status, error.message) : refusal(error);
    }
  }
}
