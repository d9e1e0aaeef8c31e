import type { IncomingMessage } from 'node:http';
import { ApiError } from '../errors.ts';

const API_PREFIX = '/api2/json';
const BODY_LIMIT = 512 * 1024;
const HEADER_LIMIT = 64;
const VERBS = ['GET', 'POST', 'PUT', 'DELETE'];

export type Fields = Record<string, unknown>;

/** What a request says before its body is read. */
export interface Target {
  /** As on the wire, without the query. */
  wirePath: string;
  /** Relative to the API and percent-decoded; undefined for anything outside /api2/json. */
  apiPath: string | undefined;
  query: Fields;
}

export function readTarget(request: IncomingMessage): Target {
  const [wirePath = '/', ...query] = (request.url ?? '/').split('?');
  const inside = wirePath === API_PREFIX || wirePath.startsWith(`${API_PREFIX}/`);
  const apiPath = inside ? decode(wirePath.slice(API_PREFIX.length)) || '/' : undefined;
  return { wirePath, apiPath, query: fields(new URLSearchParams(query.join('?'))) };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** A repeated key becomes an array. */
function fields(form: URLSearchParams): Fields {
  const keys = [...new Set(form.keys())];
  return Object.fromEntries(
    keys.map((key) => {
      const values = form.getAll(key);
      return [key, values.length > 1 ? values : values[0]];
    }),
  );
}

/** What PVE's web server refuses before it looks at who asks. */
export function refuseEnvelope(request: IncomingMessage): void {
  const { method = '', headers, rawHeaders } = request;
  if (rawHeaders.length / 2 > HEADER_LIMIT)
    throw new ApiError(400, `too many http header lines (> ${HEADER_LIMIT})`);
  if (request.httpVersionMajor !== 1) throw new ApiError(506, 'http protocol version not supported');
  if (!VERBS.includes(method)) throw new ApiError(501, `method '${method}' not available`);
  if (headers['transfer-encoding'] !== undefined)
    throw new ApiError(501, 'chunked transfer encoding not supported');
}

/** What it refuses once it knows who asks: bodies that are too large, misplaced or of another type. */
export function refuseBody(request: IncomingMessage): void {
  const { method = '', headers } = request;
  const length = Number(headers['content-length'] ?? 0);
  if (length === 0) return;
  if (length > BODY_LIMIT) throw new ApiError(501, 'for data too large');
  if (method !== 'POST' && method !== 'PUT')
    throw new ApiError(501, `Unexpected content for method '${method}'`);
  const type = mediaType(request);
  if (type !== 'application/x-www-form-urlencoded' && type !== 'application/json') {
    throw new ApiError(506, `upload 'Content-Type '${headers['content-type'] ?? ''}' not implemented`);
  }
}

function mediaType({ headers }: IncomingMessage): string {
  return (
    (headers['content-type'] ?? 'application/x-www-form-urlencoded').split(';')[0]?.trim().toLowerCase() ?? ''
  );
}

/** Reads the whole body, keeping no more of it than PVE would. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= BODY_LIMIT) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @returns the parameters in a body, or undefined when it is not what its content type says */
export function parseBody(request: IncomingMessage, body: Buffer): Fields | undefined {
  if (body.length === 0) return {};
  if (mediaType(request) !== 'application/json') return fields(new URLSearchParams(body.toString('utf8')));
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
