import type { Logger } from 'pino';
import type { ClusterConfig } from '../config/config.ts';
import { type Observer, UNOBSERVED } from '../observability/observer.ts';
import { type ApiPath, apiPath } from './api-path.ts';
import type { Clock } from './breaker.ts';
import type { HttpMethod, ProxmoxCall, ProxmoxReply } from './call.ts';
import { isLarge } from './chunked-json.ts';
import { type Signature, Signer, type Ticket } from './credentials.ts';
import type { Delivery } from './delivery.ts';
import { documentRequest, type FetchedDocument, type FetchOptions, readDocument } from './document.ts';
import type { Ending } from './ending.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { WireAnswer, WireRequest } from './exchange.ts';
import { readTicket } from './login.ts';
import { NodeFinder } from './node-finder.ts';
import type { EngineLimits, NodeAddress, NodeLink, Traffic } from './node-link.ts';
import { answerError } from './pve-errors.ts';
import { Refusal } from './refusal.ts';
import { Transport } from './transport.ts';
import { type Upload, uploadPath } from './upload.ts';
import { UploadBody } from './upload-body.ts';
import { encodeCall, encodeParameters, parseEnvelope, readEnvelope } from './wire.ts';

export interface EngineDeps {
  logger: Logger;
  clock?: Clock;
  /** From 0 to below 1; spreads the waits between attempts. */
  random?: () => number;
  limits?: Partial<EngineLimits>;
  /** Told every ticket and CSRF token before it is used: the redaction of the process has to know them. */
  onSecrets?: (secrets: readonly string[]) => void;
  /** Counts what is asked; nobody does where absent. */
  observer?: Observer | undefined;
}

const DEFAULT_LIMITS: EngineLimits = {
  deadlineMs: 30_000,
  connectMs: 5_000,
  callsPerNode: 6,
  queuedPerNode: 128,
  uploadsPerNode: 2,
  maxAnswerBytes: 64 * 1024 * 1024,
  readAttempts: 3,
};

/** A refused login takes 3 s; one that hangs must not take the whole time of those who wait for it. */
const LOGIN_MS = 10_000;
const LOGIN_PATH = apiPath`/access/ticket`;
const VERSION_PATH = apiPath`/version`;
const UPLOAD_TEMPLATE = '/nodes/{node}/storage/{storage}/upload';
/** Methods that take a password, and answer 401 where it is wrong. */
const CHECKS_A_PASSWORD = /^\/access\/(?:ticket|vncticket|password|tfa|openid)(?:\/|$)/;

/** What a request is for, in PVE's terms. */
interface Target {
  method: HttpMethod;
  path: ApiPath;
  /** As `ProxmoxCall` has them. */
  secrets?: readonly string[];
}

/** The conversation with one cluster: connections, credentials, deadlines, and PVE's answers in words. */
export class Engine {
  readonly #config: ClusterConfig;
  readonly #limits: EngineLimits;
  readonly #logger: Logger;
  readonly #transport: Transport;
  readonly #signer: Signer;
  readonly #refusal: Refusal;
  readonly #finder: NodeFinder;

  constructor(config: ClusterConfig, deps: EngineDeps) {
    const clock = deps.clock ?? Date;
    this.#config = config;
    this.#limits = { ...DEFAULT_LIMITS, ...deps.limits };
    this.#logger = deps.logger.child({ cluster: config.name });
    this.#signer = new Signer(config.credentials, () => this.#login(), clock, deps.onSecrets);
    this.#refusal = new Refusal(config.credentials, clock);
    this.#transport = new Transport(config, {
      logger: this.#logger,
      clock,
      random: deps.random ?? Math.random,
      observer: deps.observer ?? UNOBSERVED,
      limits: this.#limits,
      secrets: () => this.#signer.secrets(),
    });
    this.#finder = new NodeFinder({
      config,
      links: this.#transport.links,
      linkTo: (endpoint) => this.#transport.linkTo(endpoint),
      ask: (path, link, options) => this.#ask(path, link, options),
    });
  }

  /**
   * Sends one call and reads its answer. A read may be repeated within the deadline, over all endpoints; anything
   * else reaches PVE's API at most once.
   *
   * @throws CallError with the cluster's name in it; the reason of the caller's signal, as it is, where that aborts.
   */
  send(call: ProxmoxCall): Promise<ProxmoxReply> {
    const { signal, deadlineMs = this.#limits.deadlineMs } = call;
    return this.#transport.bounded({ signal, deadlineMs, isRead: call.method === 'GET' }, (delivery) =>
      this.#converse(call, encodeCall(call), delivery),
    );
  }

  /**
   * Fetches a document beside the API, such as the API's schema, without any credential; at most 16 MiB. Repeated and
   * sent over all endpoints as a read is.
   *
   * @throws CallError as `send` does, and where the document is too large or its gzip unpacks to too much.
   */
  fetchDocument(path: string, options: FetchOptions = {}): Promise<FetchedDocument> {
    const { signal, deadlineMs = this.#limits.deadlineMs, ifModifiedSince } = options;
    return this.#transport.bounded({ signal, deadlineMs, isRead: true }, async (delivery) => {
      const { answer } = await this.#transport.deliver(documentRequest(path, ifModifiedSince), delivery);
      return readDocument(answer);
    });
  }

  /**
   * Streams a file into a storage, to the own address of the node: PVE can't pass an upload on to another node. It
   * is sent once. The body is read as fast as the node takes it, and always to its end or closed.
   *
   * @returns the UPID of the task that puts the file in its place.
   * @throws CallError as `send` does; INVALID_ARGUMENTS where the body's length is not `size`.
   */
  async upload(upload: Upload): Promise<ProxmoxReply> {
    const body = new UploadBody(upload);
    const { signal, deadlineMs = body.likelyMs } = upload;
    try {
      const options = { signal, also: body.failed, deadlineMs, isRead: false };
      return await this.#transport.bounded(options, async (delivery) => {
        const target: Target = { method: 'POST', path: uploadPath(upload) };
        const request = { ...body.request(target.path), template: UPLOAD_TEMPLATE };
        const link = await this.#finder.find(upload.node, delivery.signal);
        try {
          return await this.#converse(target, request, delivery, [link]);
        } catch (thrown) {
          throw body.explain(thrown, link.name);
        }
      });
    } finally {
      body.close();
    }
  }

  /**
   * Where one node itself is reached, and the certificate that it shows there: it has just said that it is the node.
   *
   * @throws CallError as an upload to the node would: unknown, offline, not reached, not trusted
   */
  async addressOf(node: string, signal?: Ending): Promise<NodeAddress> {
    const options = { signal, deadlineMs: this.#limits.deadlineMs, isRead: true };
    const link = await this.#transport.bounded(options, (delivery) =>
      this.#finder.find(node, delivery.signal),
    );
    const address = link.address();
    if (address === undefined) throw new Error('a link that was spoken over has an address');
    return address;
  }

  /**
   * Asks one endpoint for its version, once, beside all other calls.
   *
   * @param endpoint its name, as `endpoints` gives it
   * @throws CallError as `send` does; the signal's reason
   */
  async probe(endpoint: string, options: { signal: Ending; deadlineMs: number }): Promise<unknown> {
    const link = this.#transport.links.find(({ name }) => name === endpoint);
    if (link === undefined) throw new Error(`no endpoint ${endpoint} is configured`);
    return this.#ask(VERSION_PATH, link, { ...options, isProbe: true });
  }

  /** The configured endpoints as the last conversations found them. */
  endpoints(): EndpointState[] {
    return this.#transport.links.map((link) => link.state());
  }

  /** What goes on with its nodes at present. */
  traffic(): Traffic {
    return this.#transport.traffic();
  }

  /** Ends every call and login, and closes every socket. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  /** Reads from one endpoint and no other. */
  async #ask(
    path: ApiPath,
    link: NodeLink,
    { isProbe = false, ...options }: { signal: Ending; deadlineMs: number; isProbe?: boolean },
  ) {
    const target: Target = { method: 'GET', path };
    const encoded = encodeCall({ ...target, parameters: {} });
    const request: WireRequest = isProbe ? { ...encoded, lane: 'probes' } : encoded;
    return this.#transport.bounded({ ...options, isRead: true, once: isProbe }, async (delivery) => {
      const { data } = await this.#converse(target, request, delivery, [link]);
      return data;
    });
  }

  async #converse(
    target: Target,
    request: WireRequest,
    delivery: Delivery,
    links?: readonly NodeLink[],
  ): Promise<ProxmoxReply> {
    delivery.onTurn = () => this.#refusal.check();
    const isStream = typeof request.body === 'object';
    for (let renewed = false; ; renewed = true) {
      this.#refusal.check();
      const signature = await this.#signer.sign(target.method, delivery.signal);
      const signed = { ...request, headers: { ...request.headers, ...signature.headers } };
      const isFinal = signature.ticket === undefined || renewed || isStream;
      // With a token, or a ticket that is seconds old, the 401 of such a method is about the password in its parameters.
      const isAboutUs = (answer: WireAnswer) =>
        isRefusal(answer) && !(isFinal && CHECKS_A_PASSWORD.test(target.path.toString()));
      delivery.onAnswer = (answer) => {
        if (isFinal && isAboutUs(answer)) this.#refuse(answer, signature);
      };
      const { answer, link } = await this.#transport.deliver(signed, delivery, links);
      if (!isAboutUs(answer)) return this.#read(answer, target, signature, link.name);
      // A 401 is PVE's statement that it stopped before doing anything (its authentication runs ahead of every
      // method), so even a write may go out once more, with a new ticket.
      if (isFinal || signature.ticket === undefined) throw this.#refusal.error();
      this.#signer.forget(signature.ticket);
      delivery.sent = false;
    }
  }

  async #read(
    answer: WireAnswer,
    target: Target,
    signature: Signature,
    endpoint: string,
  ): Promise<ProxmoxReply> {
    const { body } = answer;
    const envelope = isLarge(body) ? await readEnvelope(body) : parseEnvelope(body);
    if (answer.status < 200 || answer.status >= 300 || envelope === undefined) {
      const { credentials } = this.#config;
      const { method, path, secrets: given = [] } = target;
      const secrets = [...this.#signer.secrets(signature), ...given];
      throw answerError(answer, { method, path, endpoint, credentials, secrets });
    }
    const { data, total, changes } = envelope;
    return {
      data,
      ...(total === undefined ? {} : { total }),
      ...(changes === undefined ? {} : { changes }),
      endpoint,
    };
  }

  /** Asks for a ticket. It has a deadline of its own, as many callers wait for it; repeating it changes nothing. */
  async #login(): Promise<Ticket> {
    const { credentials } = this.#config;
    if (credentials.kind !== 'password') throw new Error('a token needs no login');
    const request: WireRequest = {
      ...encodeCall({ method: 'POST', path: LOGIN_PATH, parameters: {}, template: LOGIN_PATH.toString() }),
      body: encodeParameters({ username: credentials.user, password: credentials.password.reveal() }),
    };
    const deadlineMs = Math.min(this.#limits.deadlineMs, LOGIN_MS);
    return this.#transport.bounded({ deadlineMs, isRead: true }, async (delivery) => {
      delivery.onTurn = () => this.#refusal.check();
      delivery.onAnswer = (answer) => {
        if (isRefusal(answer)) this.#refuse(answer);
      };
      const { answer, link } = await this.#transport.deliver(request, delivery);
      if (isRefusal(answer)) throw this.#refusal.error();
      const context = { method: 'GET', path: LOGIN_PATH, endpoint: link.name, credentials } as const;
      return readTicket(answer, { ...context, secrets: this.#signer.secrets() });
    });
  }

  #refuse(answer: WireAnswer, signature?: Signature): void {
    this.#refusal.mark(answer, this.#signer.secrets(signature));
    this.#logger.warn({ status: answer.status }, this.#refusal.error().message);
  }
}

/** A 401 of PVE's; one with HTML is a proxy's and says nothing about the credentials. */
function isRefusal(answer: WireAnswer): boolean {
  return answer.status === 401 && !/html/i.test(answer.contentType);
}
