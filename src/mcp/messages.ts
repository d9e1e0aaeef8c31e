/** What the doors need to know of a JSON-RPC body before an SDK sees it. */
export interface BodyFacts {
  initialize: boolean;
  requestIds: (string | number)[];
  cancelledIds: (string | number)[];
}

/** Looks through a single message or a legacy batch; whatever is no message is left to the SDK to refuse. */
export function factsOf(body: unknown): BodyFacts {
  const facts: BodyFacts = { initialize: false, requestIds: [], cancelledIds: [] };
  for (const message of Array.isArray(body) ? body : [body]) {
    if (typeof message !== 'object' || message === null) continue;
    const { method, id, params } = message as {
      method?: unknown;
      id?: unknown;
      params?: { requestId?: unknown };
    };
    if (method === 'initialize') facts.initialize = true;
    if (typeof method === 'string' && isId(id)) facts.requestIds.push(id);
    if (method === 'notifications/cancelled' && isId(params?.requestId))
      facts.cancelledIds.push(params.requestId);
  }
  return facts;
}

/** The first id that is already under way, or that stands twice in this body. */
export function duplicateId(
  ids: readonly (string | number)[],
  inFlight: ReadonlyMap<string | number, unknown>,
) {
  return ids.find((id, index) => inFlight.has(id) || ids.indexOf(id) !== index);
}

/** A JSON-RPC error outside of any request, as the transport chapter asks for on HTTP errors. */
export function rpcError(
  code: number,
  message: string,
): { jsonrpc: '2.0'; id: null; error: { code: number; message: string } } {
  return { jsonrpc: '2.0', id: null, error: { code, message } };
}

/** The id a message answers, where it is a response. */
export function answeredId(message: unknown): string | number | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { id, method } = message as { id?: unknown; method?: unknown };
  return method === undefined && isId(id) ? id : undefined;
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}
