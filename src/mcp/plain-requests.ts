import type { IncomingMessage } from 'node:http';

/** A call of a tool, or the question for the list of them, in the plain form that nearly all requests have. */
export interface PlainRequest {
  id: string | number;
  method: 'tools/call' | 'tools/list';
  /** Of a call. */
  name: string;
  args: Readonly<Record<string, unknown>> | undefined;
  meta: Readonly<Record<string, unknown>> | undefined;
}

const MEMBERS = new Set(['jsonrpc', 'id', 'method', 'params']);
const CALL_PARAMS = new Set(['name', 'arguments', '_meta']);
const LIST_PARAMS = new Set(['_meta']);
/** Makes of a request a part of a task, which the SDKs know about. */
const RELATED_TASK = 'io.modelcontextprotocol/related-task';
const PLAIN_JSON = /^application\/json(?:; ?charset=utf-8)?$/i;

/**
 * Recognises a single request that a door can answer without an SDK. Whatever has one member more or another type than
 * usual is left to the SDK, which knows how to refuse it: a no here costs time and changes no answer.
 */
export function plainRequestOf(body: unknown): PlainRequest | undefined {
  if (!isPlainObject(body) || !hasOnly(body, MEMBERS)) return undefined;
  const { jsonrpc, id, method, params = {} } = body;
  if (jsonrpc !== '2.0' || !(typeof id === 'string' || Number.isSafeInteger(id))) return undefined;
  if (!isPlainObject(params)) return undefined;
  const { _meta: meta } = params;
  if (meta !== undefined && !(isPlainObject(meta) && isPlainMeta(meta))) return undefined;
  const whose = { id: id as string | number, meta };
  if (method === 'tools/list') {
    return hasOnly(params, LIST_PARAMS) ? { ...whose, method, name: '', args: undefined } : undefined;
  }
  if (method !== 'tools/call' || !hasOnly(params, CALL_PARAMS)) return undefined;
  const { name, arguments: args } = params;
  if (typeof name !== 'string' || !(args === undefined || isPlainObject(args))) return undefined;
  return { ...whose, method, name, args };
}

/** Whether a POST says in the usual words that it holds JSON. */
export function isPlainJson({ headers: { 'content-type': type } }: IncomingMessage): boolean {
  return type !== undefined && PLAIN_JSON.test(type);
}

/** Whether a POST says in the usual words that it holds JSON and takes JSON and events. */
export function hasPlainHeaders(request: IncomingMessage): boolean {
  const { accept } = request.headers;
  if (accept === undefined || !isPlainJson(request)) return false;
  return accept.includes('application/json') && accept.includes('text/event-stream');
}

function isPlainMeta(meta: Readonly<Record<string, unknown>>): boolean {
  const { progressToken } = meta;
  const isToken = progressToken === undefined || typeof progressToken === 'string';
  return (isToken || Number.isSafeInteger(progressToken)) && !Object.hasOwn(meta, RELATED_TASK);
}

function hasOnly(value: object, names: ReadonlySet<string>): boolean {
  for (const name in value) if (!names.has(name)) return false;
  return true;
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
