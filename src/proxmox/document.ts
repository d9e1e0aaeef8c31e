import type { Ending } from './ending.ts';
import { CallError } from './errors.ts';
import type { WireAnswer, WireRequest } from './exchange.ts';

export interface FetchOptions {
  /** The `lastModified` of the copy at hand: a 304 then says that it still holds. */
  ifModifiedSince?: string;
  signal?: Ending;
  /** For the whole document, in milliseconds; the engine's default where absent. */
  deadlineMs?: number;
}

/** A document of a host's web server; anything but 200 has no use for its text. */
export interface FetchedDocument {
  status: number;
  text: string;
  /** The Last-Modified header. */
  lastModified?: string;
}

/** The one document asked for, the API's schema, is 4 MB. */
const LARGEST_DOCUMENT = 16 * 1024 * 1024;
const PLAIN_PATH = /^(?:\/\w[\w.-]*)+$/;
const PLAIN_DATE = /^[\x20-\x7e]{1,64}$/;

/**
 * A GET beside the API, without any credential: what pveproxy serves there is for everybody.
 *
 * @throws CallError INVALID_PATH for a path of the API, or one with anything but plain segments.
 */
export function documentRequest(path: string, ifModifiedSince: string | undefined): WireRequest {
  if (!PLAIN_PATH.test(path) || /^\/api2(?:\/|$)/.test(path)) {
    throw new CallError('INVALID_PATH', 'The path of the document was refused.', {
      hint: 'Give a path beside the API, such as /pve-docs/api-viewer/apidoc.js.',
    });
  }
  // The date comes from an earlier answer, by way of a file: what can't be a header is left out.
  const since = ifModifiedSince !== undefined && PLAIN_DATE.test(ifModifiedSince);
  return {
    method: 'GET',
    target: path,
    headers: {
      accept: '*/*',
      'accept-encoding': 'gzip',
      ...(since ? { 'if-modified-since': ifModifiedSince } : {}),
    },
    maxBytes: LARGEST_DOCUMENT,
  };
}

export function readDocument({ status, body, lastModified }: WireAnswer): FetchedDocument {
  return { status, text: body, ...(lastModified === undefined ? {} : { lastModified }) };
}
