import type { Logger } from 'pino';
import type { ClusterConfig } from '../config/config.ts';
import { apiPath } from './api-path.ts';
import type { Clock } from './breaker.ts';
import type { ProxmoxCall, ProxmoxReply } from './call.ts';
import { type Signature, Signer, type Ticket } from './credentials.ts';
import { openDeadline } from './deadline.ts';
import { type Delivery, deliver } from './delivery.ts';
import { CallError, toCallError } from './errors.ts';
import type { WireAnswer, WireRequest } from './exchange.ts';
import { readTicket } from './login.ts';
import { type EngineLimits, NodeLink } from './node-link.ts';
import { answerError } from './pve-errors.ts';
import { Refusal } from './refusal.ts';
import { redact } from './text.ts';
import { transportError } from './transport-errors.ts';
import { encodeCall, encodeParameters, parseEnvelope } from './wire.ts';

export interface EngineDeps {
  logger: Logger;
  clock?: Clock;
  /** From 0 to below 1; spreads the waits between attempts. */
  random?: () => number;
  limits?: Partial<EngineLimits>;
}

const DEFAULT_LIMITS: EngineLimits = {
  deadlineMs: 30_000,
  connectMs: 5_000,
  callsPerNode: 6,
  queuedPerNode: 128,
  maxAnswerBytes: 64 * 1024 * 1024,
  readAttempts: 3,
};

const LOGIN_PATH = apiPath`/access/ticket`;
/** Methods that take a password, and answer 401 where it is wrong. */
const CHECKS_A_PASSWORD = /^\/access\/(?:ticket|vncticket|password|tfa|openid)(?:\/|$)/;

/** The conversation with one cluster: connections, credentials, deadlines, and PVE's answers in words. */
export class Engine {
  readonly #config: ClusterConfig;
  readonly #limits: EngineLimits;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #links: NodeLink[];
  readonly #signer: Signer;
  readonly #refusal: Refusal;
  readonly #closing = new AbortController();

  constructor(config: ClusterConfig, deps: EngineDeps) {
    const clock = deps.clock ?? Date;
    this.#config = config;
    this.#limits = { ...DEFAULT_LIMITS, ...deps.limits };
    this.#logger = deps.logger.child({ cluster: config.name });
    this.#random = deps.random ?? Math.random;
    this.#links = config.endpoints.map(
      (endpoint) =>
        new NodeLink(endpoint, config.tls, this.#limits, clock, (event, link) =>
          this.#logger.warn({ endpoint: link.name }, `breaker ${event}`),
        ),
    );
    this.#signer = new Signer(config.credentials, () => this.#login(), clock);
    this.#refusal = new Refusal(config.credentials, clock);
  }

  /**
   * Sends one call and reads its answer. A read may be repeated within the deadline, over all endpoints; anything
   * else reaches PVE's API at most once.
   *
   * @throws CallError with the cluster's name in it; the reason of the caller's signal, as it is, where that aborts.
   */
  async send(call: ProxmoxCall): Promise<ProxmoxReply> {
    const deadlineMs = call.deadlineMs ?? this.#limits.deadlineMs;
    const deadline = openDeadline(deadlineMs, [call.signal, this.#closing.signal]);
    const delivery = this.#delivery(deadline.signal, call.method === 'GET');
    try {
      return await this.#converse(call, delivery);
    } catch (thrown) {
      if (call.signal?.aborted === true && thrown === call.signal.reason) throw thrown;
      const state = { ...delivery, isRead: call.method === 'GET', deadlineMs };
      throw this.#named(transportError(thrown, state) ?? toCallError(thrown));
    } finally {
      deadline.clear();
    }
  }

  /** Ends every call and login, and closes every socket. */
  async close(): Promise<void> {
    this.#closing.abort(
      new CallError('CLUSTER_UNREACHABLE', 'The connection to this cluster is being closed.', {
        hint: 'Repeat the call once the service has restarted or reloaded.',
      }),
    );
    await Promise.all(this.#links.map((link) => link.close()));
  }

  async #converse(call: ProxmoxCall, delivery: Delivery): Promise<ProxmoxReply> {
    const request = encodeCall(call);
    for (let renewed = false; ; renewed = true) {
      this.#refusal.check();
      const signature = await this.#signer.sign(call.method, delivery.signal);
      const signed = { ...request, headers: { ...request.headers, ...signature.headers } };
      const isFinal = signature.ticket === undefined || renewed;
      // With a ticket that is seconds old, the 401 of such a method is about the password in its own parameters.
      const isAboutUs = (answer: WireAnswer) =>
        isRefusal(answer) && !(renewed && CHECKS_A_PASSWORD.test(call.path.toString()));
      delivery.onAnswer = (answer) => {
        if (isFinal && isAboutUs(answer)) this.#refuse(answer, signature);
      };
      const { answer, link } = await this.#deliver(signed, delivery);
      if (!isAboutUs(answer)) return this.#read(answer, call, signature, link.name);
      // A 401 is PVE's statement that it stopped before doing anything (its authentication runs ahead of every
      // method), so even a write may go out once more, with a new ticket.
      if (isFinal || signature.ticket === undefined) throw this.#refusal.error();
      this.#signer.forget(signature.ticket);
      delivery.sent = false;
    }
  }

  #read(answer: WireAnswer, call: ProxmoxCall, signature: Signature, endpoint: string): ProxmoxReply {
    const envelope = parseEnvelope(answer.body);
    if (answer.status < 200 || answer.status >= 300 || envelope === undefined) {
      const { credentials } = this.#config;
      throw answerError(answer, {
        method: call.method,
        path: call.path,
        endpoint,
        credentials,
        secrets: this.#signer.secrets(signature),
      });
    }
    const { data, total } = envelope;
    return { data, ...(total === undefined ? {} : { total }), endpoint };
  }

  /** Asks for a ticket. It has a deadline of its own, as many callers wait for it; repeating it changes nothing. */
  async #login(): Promise<Ticket> {
    const { credentials } = this.#config;
    if (credentials.kind !== 'password') throw new Error('a token needs no login');
    const request: WireRequest = {
      ...encodeCall({ method: 'POST', path: LOGIN_PATH, parameters: {} }),
      body: encodeParameters({ username: credentials.user, password: credentials.password.reveal() }),
    };
    const { deadlineMs } = this.#limits;
    const deadline = openDeadline(deadlineMs, [this.#closing.signal]);
    const delivery = this.#delivery(deadline.signal, true);
    delivery.onAnswer = (answer) => {
      if (isRefusal(answer)) this.#refuse(answer);
    };
    try {
      const { answer, link } = await this.#deliver(request, delivery);
      if (isRefusal(answer)) throw this.#refusal.error();
      const context = { method: 'GET', path: LOGIN_PATH, endpoint: link.name, credentials } as const;
      return readTicket(answer, { ...context, secrets: this.#signer.secrets() });
    } catch (thrown) {
      throw transportError(thrown, { ...delivery, isRead: true, deadlineMs }) ?? thrown;
    } finally {
      deadline.clear();
    }
  }

  #delivery(signal: AbortSignal, repeatable: boolean): Delivery {
    const onTurn = () => this.#refusal.check();
    return { signal, repeatable, sent: false, failures: [], onTurn, onAnswer: () => undefined };
  }

  #deliver(request: WireRequest, delivery: Delivery): Promise<{ answer: WireAnswer; link: NodeLink }> {
    return deliver(request, delivery, {
      links: this.#links,
      attempts: this.#limits.readAttempts,
      random: this.#random,
      logger: this.#logger,
    });
  }

  #refuse(answer: WireAnswer, signature?: Signature): void {
    this.#refusal.mark(answer, this.#signer.secrets(signature));
    this.#logger.warn({ status: answer.status }, this.#refusal.error().message);
  }

  /** The one way out for errors: the cluster's name goes in, and a last look keeps credentials from getting out. */
  #named(error: CallError): CallError {
    const secrets = this.#signer.secrets();
    const status = error.status === undefined ? {} : { status: error.status };
    return new CallError(error.code, redact(error.message, secrets), {
      hint: redact(error.hint, secrets),
      cluster: this.#config.name,
      ...status,
      retryable: error.retryable,
      ...(error.cause === undefined ? {} : { cause: error.cause }),
    });
  }
}

/** A 401 of PVE's; one with HTML is a proxy's and says nothing about the credentials. */
function isRefusal(answer: WireAnswer): boolean {
  return answer.status === 401 && !/html/i.test(answer.contentType);
}
