import {
  CLIENT_CAPABILITIES_META_KEY,
  createRequestStateCodec,
  inputRequired,
  PROTOCOL_VERSION_META_KEY,
  ProtocolErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { Plan } from '../access/approvals/plan.ts';
import { carried, carry } from './carried.ts';
import { bodyHeaders, endWith } from './direct-answers.ts';
import type { Caller, Dispatcher } from './dispatcher.ts';
import { type Answering, type DoorRequest, JSON_TYPE, writeHead } from './door.ts';
import { approvalForm, canAskPerson, PlanQuestion } from './elicitation.ts';
import { type ListBytes, takesGzip } from './list-bytes.ts';
import { type AskedState, QUESTION } from './modern.ts';
import { UnknownToolError } from './offered-tools.ts';
import { hasPlainHeaders, isPlainObject, type PlainRequest, plainRequestOf } from './plain-requests.ts';
import { answerJson, resultJson } from './result.ts';

const REVISION = '2026-07-28';
/** A name that stands in a header as it is. */
const PLAIN_NAME = /^[A-Za-z0-9_.-]+$/;
const CLIENT_INFO = 'io.modelcontextprotocol/clientInfo';
const META = new Set([
  PROTOCOL_VERSION_META_KEY,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO,
  'traceparent',
  'tracestate',
]);
const CLIENT_MEMBERS = new Set(['name', 'version', 'title']);

/**
 * Calls of tools and lists of them in revision 2026-07-28, past the SDK, which makes a web request, a server and a
 * transport for each. It takes what a client sends that follows the revision to the letter; progress, a person's answer
 * and whatever the SDK would refuse are left to the SDK.
 */
export class DirectStateless {
  readonly #dispatcher: Dispatcher;
  readonly #lists: ListBytes;
  /** What the SDK adds to each result. */
  readonly #members: { resultType: string; _meta: object };
  /** The same as JSON, behind other members. */
  readonly #membersJson: string;
  readonly #running = new Set<AbortController>();

  constructor(dispatcher: Dispatcher, lists: ListBytes, members: { resultType: string; _meta: object }) {
    this.#dispatcher = dispatcher;
    this.#lists = lists;
    const { resultType, _meta } = members;
    this.#members = { resultType, _meta };
    this.#membersJson = `,${JSON.stringify(this.#members).slice(1, -1)}`;
  }

  /** Which request this is, where it can be answered here. */
  takes({ request, body }: DoorRequest): PlainRequest | undefined {
    const { headers } = request;
    if (headers['mcp-protocol-version'] !== REVISION || !hasPlainHeaders(request)) return undefined;
    const plain = plainRequestOf(body);
    if (plain === undefined || headers['mcp-method'] !== plain.method || !isPlainEnvelope(plain.meta))
      return undefined;
    if (plain.method === 'tools/list') return headers['mcp-name'] === undefined ? plain : undefined;
    return headers['mcp-name'] === plain.name && PLAIN_NAME.test(plain.name) ? plain : undefined;
  }

  async serve(plain: PlainRequest, exchange: DoorRequest): Promise<void> {
    const { request, response, principal, directory } = exchange;
    const caller = carried(carry(request, principal, directory).auth, 'stateless');
    if (plain.method === 'tools/list') {
      const { modern } = this.#lists.of(this.#dispatcher.listTools(caller));
      const id = JSON.stringify(plain.id);
      const isPacked = takesGzip(request.headers['accept-encoding']);
      return isPacked ? send(exchange, modern.gzip(id), 'gzip') : send(exchange, modern.plain(id));
    }
    const ending = new AbortController();
    this.#running.add(ending);
    const onClose = (): void => ending.abort();
    response.once('close', onClose);
    try {
      const message = await this.#call(plain, caller, ending.signal);
      if (ending.signal.aborted || response.headersSent) return;
      writeHead(exchange, 200, [...JSON_TYPE, 'content-length', Buffer.byteLength(message)]);
      // As a text: Node writes it in one piece with the head, where bytes would be a second one.
      response.end(message);
    } finally {
      response.removeListener('close', onClose);
      this.#running.delete(ending);
    }
  }

  close(): void {
    for (const ending of this.#running) ending.abort();
  }

  /** @returns the answer as JSON */
  async #call({ id, name, args, meta }: PlainRequest, caller: Caller, signal: AbortSignal): Promise<string> {
    const question = canAskPerson(meta?.[CLIENT_CAPABILITIES_META_KEY])
      ? new PlanQuestion(undefined)
      : undefined;
    const options = { signal, ask: question?.ask, traceparent: meta?.traceparent };
    try {
      const result = await this.#dispatcher.callTool(name, args, caller, options);
      const plan = question?.openAfter(result);
      if (plan === undefined) return answerJson(resultJson(result, this.#membersJson), id);
      return answerJson(JSON.stringify(await this.#asked(plan, caller)), id);
    } catch (error) {
      const isUnknown = error instanceof UnknownToolError;
      const code = isUnknown ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
      const message = error instanceof Error ? error.message : 'Internal error';
      return JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } });
    }
  }

  /** In place of a result, the question that a person has to answer first. */
  async #asked(plan: Plan, caller: Caller): Promise<object> {
    const codec = createRequestStateCodec<AskedState>({
      key: this.#dispatcher.stateKey,
      bind: () => caller.principal.id,
    });
    // Bound to the principal alone: nothing of a context is read.
    const requestState = await codec.mint({ plan: plan.number }, {} as ServerContext);
    const asked = inputRequired({
      inputRequests: { [QUESTION]: inputRequired.elicit(approvalForm(plan, Date.now())) },
      requestState,
    });
    return { ...this.#members, ...asked };
  }
}

/** What a client says of itself, in the plain form: the SDK refuses other ones in its own words. */
function isPlainEnvelope(meta: PlainRequest['meta']): boolean {
  if (meta === undefined || meta[PROTOCOL_VERSION_META_KEY] !== REVISION) return false;
  for (const name in meta) if (!META.has(name)) return false;
  const { [CLIENT_CAPABILITIES_META_KEY]: capabilities, [CLIENT_INFO]: client } = meta;
  return isPlainCapabilities(capabilities) && isPlainClient(client);
}

function isPlainCapabilities(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  for (const [name, member] of Object.entries(value)) {
    if (name !== 'elicitation' || !isPlainObject(member)) return false;
    for (const [kind, about] of Object.entries(member)) {
      if (kind !== 'form' || !isPlainObject(about) || Object.keys(about).length > 0) return false;
    }
  }
  return true;
}

function isPlainClient(value: unknown): boolean {
  if (!isPlainObject(value)) return false;
  for (const [name, member] of Object.entries(value)) {
    if (!CLIENT_MEMBERS.has(name) || typeof member !== 'string') return false;
  }
  return typeof value.name === 'string' && typeof value.version === 'string';
}

function send(exchange: Answering, parts: readonly Buffer[], encoding?: 'gzip'): void {
  writeHead(exchange, 200, [...JSON_TYPE, ...bodyHeaders(parts, encoding)]);
  endWith(exchange.response, parts);
}
