import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Api, needsTicket, UnreachableNode } from '../api.ts';
import { type Certificate, makeWrongCertificate, type WrongCertificate } from '../certificate.ts';
import { ApiError } from '../errors.ts';
import { type Faults, type FaultyNode, strike } from '../faults.ts';
import type { RequestRecorder } from '../requests.ts';
import { APIDOC_PATH } from '../schema/apidoc.ts';
import type { ClusterState } from '../state/cluster-state.ts';
import { LockTimeout } from '../state/hazards.ts';
import { Timers } from '../timers.ts';
import { type Answer, earlyRefusal, refusal, send, success } from './answer.ts';
import { authenticate, NOBODY, showsToken } from './authenticate.ts';
import { serveApidoc } from './documentation.ts';
import { Listener } from './listener.ts';
import {
  type Fields,
  parseBody,
  readBody,
  readTarget,
  refuseBody,
  refuseEnvelope,
  type Target,
} from './request.ts';
import { isUpload, readUpload } from './upload.ts';

const REQUESTS_PER_CONNECTION = 100;

export interface NodeContext {
  api: Api;
  state: ClusterState;
  faults: Faults;
  recorder: RequestRecorder;
  certificate: Certificate;
  authDelayMs: number;
  /** How long a call waits for a configuration file that another process has locked. */
  lockWaitMs: number;
}

/** The HTTPS front of one node. Every node of a cluster answers from the same state. */
export class NodeServer implements FaultyNode {
  readonly name: string;
  readonly #context: NodeContext;
  readonly #host: string;
  readonly #timers = new Timers();
  readonly #served = new WeakMap<Socket, number>();
  readonly #listener: Listener;

  /** @param port 0 takes a free one, which is kept over a stop and a start */
  constructor(context: NodeContext, node: string, host: string, port: number) {
    this.name = node;
    this.#context = context;
    this.#host = host;
    this.#listener = new Listener(
      { host, port, certificate: context.certificate },
      (request, response) => void this.#serve(request, response),
      () => context.faults.takeConnection(node),
    );
  }

  get port(): number {
    return this.#listener.port;
  }

  listen(): Promise<void> {
    return this.#listener.open();
  }

  close(): Promise<void> {
    this.#timers.clear();
    return this.#listener.close();
  }

  goDown(): Promise<void> {
    return this.close();
  }

  comeUp(): Promise<void> {
    return this.listen();
  }

  async present(wrong: WrongCertificate | undefined): Promise<void> {
    const { certificate, state } = this.#context;
    const shown = wrong
      ? await makeWrongCertificate(wrong, certificate, state.name, this.#host)
      : certificate;
    this.#listener.present(shown);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { state, faults, recorder } = this.#context;
    const arrived = performance.now();
    const target = readTarget(request);
    const record = recorder.open(this.name, request.method ?? '', target);
    state.broadcast.settle(state);
    state.tasks.settle();
    try {
      const body = isUpload(request, target)
        ? await readUpload(request, state)
        : parseBody(request, await readBody(request));
      recorder.addBody(record, body ?? {});
      const exchange = {
        state,
        request,
        response,
        socket: request.socket,
        timers: this.#timers,
        answer: () => this.#answer(request, target, body, arrived),
        send: (answer: Answer) => {
          record.status = answer.status;
          send(response, answer, this.#isLast(request.socket));
        },
      };
      const fault = faults.take(this.name, `${request.method} ${target.apiPath ?? target.wirePath}`);
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
    const { authDelayMs } = this.#context;
    const delay = answer.status === 401 ? authDelayMs : answer.delayMs;
    if (delay !== undefined) await this.#timers.delay(delay - (performance.now() - arrived));
    return answer;
  }

  #execute(request: IncomingMessage, target: Target, body: Fields | undefined): Answer {
    const { state, api, lockWaitMs } = this.#context;
    const { method: verb = '' } = request;
    const { apiPath: path, query, wirePath } = target;
    let early = true;
    try {
      refuseEnvelope(request);
      if (wirePath === APIDOC_PATH && verb === 'GET') return serveApidoc(api.schema, request.headers);
      if (path === undefined) throw new ApiError(501, `no such file '${wirePath}'`);
      const identity = api.needsLogin(verb, path) ? authenticate(state, request) : NOBODY;
      if (identity === NOBODY && showsToken(request) && api.refusesTokens(verb, path))
        throw needsTicket(path);
      if (!isUpload(request, target)) refuseBody(request);
      if (body === undefined) throw new ApiError(500, 'malformed JSON in the request body');
      early = false;
      const given = { ...body, ...query };
      return success(api.call(state, { verb, path, given, identity, localNode: this.name }));
    } catch (error) {
      if (error instanceof UnreachableNode) return earlyRefusal(595, error.message);
      if (!(error instanceof ApiError)) return earlyRefusal(500, `simulator: ${String(error)}`);
      if (early) return earlyRefusal(error.status, error.message);
      return { ...refusal(error), ...(error instanceof LockTimeout ? { delayMs: lockWaitMs } : {}) };
    }
  }
}
