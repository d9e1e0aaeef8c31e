import type { IncomingHttpHeaders } from 'node:http';
import type { ApiSchema } from '../schema/api-schema.ts';
import { apidocOf } from '../schema/apidoc.ts';
import type { Answer } from './answer.ts';

/** Answers for apidoc.js as a file is answered for: by its date, packed where the client takes that. */
export function serveApidoc(schema: ApiSchema, headers: IncomingHttpHeaders): Answer {
  const { plain, gzip, lastModified } = apidocOf(schema);
  const known = Date.parse(headers['if-modified-since'] ?? '');
  if (known >= Date.parse(lastModified)) {
    return { status: 304, reason: 'Not Modified', headers: { 'Last-Modified': lastModified }, body: '' };
  }
  const packed = /\bgzip\b/.test(String(headers['accept-encoding'] ?? ''));
  return {
    status: 200,
    reason: 'OK',
    type: 'application/javascript',
    headers: { 'Last-Modified': lastModified, ...(packed ? { 'Content-Encoding': 'gzip' } : {}) },
    body: packed ? gzip : plain,
  };
}
