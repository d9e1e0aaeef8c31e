/** What the doors need to know of a JSON-RPC body before an SDK sees it. */
export interface BodyFacts {
  initialize: boolean;
  requestIds: (string | number)[];
  cancelledIds: (string | number)[];
  /** Why the body is refused unread, where it is. */
  refusal?: string;
}

/** The ids that can't be given to another request now. */
interface Taken {
  has(id: string | number): boolean;
}

/** The v1 SDK's own bound on a legacy batch. */
export const MOST_MESSAGES = 100;
/** An id is kept while its request runs; no client needs a longer one. */
const LONGEST_ID = 256;

/** Looks through a single message or a legacy batch; what is no message is left to the SDK to refuse. */
export function factsOf(body: unknown): BodyFacts {
  const facts: BodyFacts = { initialize: false, requestIds: [], cancelledIds: [] };
  const messages = Array.isArray(body) ? body : [body];
  if (messages.length === 0) return { ...facts, refusal: 'a batch is empty' };
  if (messages.length > MOST_MESSAGES) {
    return { ...facts, refusal: `a batch may hold ${MOST_MESSAGES} messages` };
  }
  for (const message of messages) {
    if (typeof message !== 'object' || message === null) continue;
    const { method, id, params } = message as {
      method?: unknown;
      id?: unknown;
      params?: { requestId?: unknown };
    };
    if (typeof id === 'string' && id.length > LONGEST_ID) {
      return { ...facts, refusal: `an id may have ${LONGEST_ID} characters` };
    }
    if (typeof method === 'string' && isId(id)) {
      facts.requestIds.push(id);
      if (method === 'initialize') facts.initialize = true;
    }
    if (method === 'notifications/cancelled' && isId(params?.requestId))
      facts.cancelledIds.push(params.requestId);
  }
  return facts;
}

/** The first id that is already under way, or that stands twice in this body. */
function duplicateId(ids: readonly (string | number)[], taken: Taken) {
  return ids.find((id, index) => taken.has(id) || ids.indexOf(id) < index);
}

/** Some clients send `arguments: null` for a tool without any; the SDKs' schemas refuse that, so it is taken out. */
export function withoutNullArguments(body: unknown): unknown {
  for (const message of Array.isArray(body) ? body : [body]) {
    const params = (message as { params?: { arguments?: unknown } } | null)?.params;
    if (typeof params === 'object' && params !== null && params.arguments === null) delete params.arguments;
  }
  return body;
}

/** A JSON-RPC error outside of any request, as the transport chapter asks for on HTTP errors. */
export function rpcError(
  code: number,
  message: string,
): { jsonrpc: '2.0'; id: null; error: { code: number; message: string } } {
  return { jsonrpc: '2.0', id: null, error: { code, message } };
}

/** The refusal of a body: unread, or for an id that is still being answered; undefined where it may go on. */
export function refusalOf(facts: BodyFacts, taken: Taken) {
  if (facts.refusal !== undefined) return rpcError(-32600, `Invalid Request: ${facts.refusal}.`);
  const duplicate = duplicateId(facts.requestIds, taken);
  if (duplicate === undefined) return undefined;
  const id = JSON.stringify(duplicate);
  return rpcError(-32600, `Invalid Request: a request with the id ${id} is still being answered.`);
}

/** The id a message answers, where it is a response. */
export function answeredId(message: unknown): string | number | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { id, method } = message as { id?: unknown; method?: unknown };
  return method === undefined && isId(id) ? id : undefined;
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' || Number.isSafeInteger(value);
}
