import { CallError } from './errors.ts';

/**
 * A PVE API path that has been taken apart and checked. `segments` are decoded; `wire` is what is sent, without
 * the `/api2/json` in front. Only the functions of this file make one.
 */
export class ApiPath {
  readonly segments: readonly string[];
  #text: string | undefined;
  #wire: string | undefined;

  private constructor(segments: readonly string[], plain?: string) {
    this.segments = segments;
    this.#text = plain;
    this.#wire = plain;
  }

  /** @param path of plain segments, which is its own wire form */
  static ofPlain(path: string): ApiPath {
    return new ApiPath(path.slice(1).split('/'), path);
  }

  static ofSegments(segments: readonly string[]): ApiPath {
    if (segments.reduce((sum, segment) => sum + segment.length + 1, 0) > MAX_LENGTH) {
      throw refused(`it is longer than ${MAX_LENGTH} characters`);
    }
    for (const segment of segments) {
      const problem = segmentProblem(segment);
      if (problem) throw refused(problem);
    }
    return new ApiPath(segments);
  }

  /** The path as a person writes it: `/nodes/pve1/storage/local/content/local:iso/x.iso`. */
  toString(): string {
    this.#text ??= `/${this.segments.join('/')}`;
    return this.#text;
  }

  /** The path as it goes over the wire, each segment percent-encoded. */
  get wire(): string {
    this.#wire ??= `/${this.segments.map(encodeSegment).join('/')}`;
    return this.#wire;
  }
}

const MAX_LENGTH = 2048;
/** Of RFC 3986: what stands for itself. */
const UNRESERVED = /^[A-Za-z0-9._~-]*$/;
/** As nearly all segments are: nothing that any check is about, and nothing that is encoded. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._~-]*$/;
/** Plain segments alone, and no prefix. */
const PLAIN_PATH = /^(?!\/api2\/)(?:\/[A-Za-z0-9][A-Za-z0-9._~-]*)+$/;
const API_PREFIX = /^\/?api2\/(?:json|extjs)(?=\/|$)/;

/**
 * Reads a path that a person or a model wrote, with or without `/api2/json` in front.
 *
 * pveproxy decodes the whole path once and then splits it (facts: `uri_unescape` before routing), so `%2F` is a
 * separator there and must be one here too: what the gate judges has to be what PVE routes.
 *
 * @throws CallError INVALID_PATH for `.`/`..` (plain or encoded), `?`, `#`, backslash, control characters,
 *   a second percent-encoding, a second `/api2/json`, a scheme or a second host, an empty segment, more than 2048
 *   characters.
 */
export function parseApiPath(raw: string): ApiPath {
  if (raw.length > MAX_LENGTH) throw refused(`it is longer than ${MAX_LENGTH} characters`);
  if (PLAIN_PATH.test(raw)) return ApiPath.ofPlain(raw);
  if (raw.startsWith('//') || /^[a-z][a-z0-9+.-]*:\/\//i.test(raw)) throw refused('it names a host');
  if (/%2e/i.test(raw)) throw refused('it holds an encoded dot');
  if (raw.includes('?')) throw refused('it holds a query: put parameters into `data`');
  const decoded = decodeOnce(raw);
  const inside = decoded.replace(API_PREFIX, '');
  if (API_PREFIX.test(inside)) throw refused('it has /api2/json twice');
  const bare = inside.replace(/^\//, '').replace(/\/$/, '');
  return bare === '' ? ApiPath.ofSegments([]) : ApiPath.ofSegments(bare.split('/'));
}

/**
 * Reads the path that the `proxmox-api` facade built. It escapes nothing but the slash, so each part is decoded on
 * its own and has to stay one segment.
 *
 * @throws CallError INVALID_PATH as `parseApiPath` does.
 */
export function facadePath(built: string): ApiPath {
  if (/%2e/i.test(built)) throw refused('it holds an encoded dot');
  const parts = built.replace(API_PREFIX, '').split('/').slice(1);
  return ApiPath.ofSegments(parts.map(decodeOnce));
}

/**
 * Builds a path in code: each interpolated value stays inside one segment, whatever it holds.
 *
 * @throws CallError INVALID_PATH when a value is empty, `.`, `..`, or holds a character that `parseApiPath` refuses.
 */
export function apiPath(strings: TemplateStringsArray, ...values: readonly (string | number)[]): ApiPath {
  const parts: string[] = [];
  for (const [index, literal] of strings.entries()) {
    parts.push(...literal.split('/').filter((part) => part !== ''));
    const value = values[index];
    if (value === undefined) continue;
    parts.push(String(value));
  }
  return ApiPath.ofSegments(parts);
}

function segmentProblem(segment: string): string | undefined {
  if (PLAIN.test(segment)) return undefined;
  if (segment === '') return 'it has an empty segment';
  if (segment === '.' || segment === '..') return 'it climbs with "." or ".."';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(segment)) return 'it holds a control character';
  if (!segment.isWellFormed()) return 'it holds text that is not valid Unicode';
  const bad = /[?#\\%]/.exec(segment)?.[0];
  if (bad) return `it holds ${JSON.stringify(bad)}`;
  if (segment.includes('/')) return 'a value holds a slash';
  return undefined;
}

function decodeOnce(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw refused('its percent-encoding is broken');
  }
}

/** Percent-encodes what a URL path may not hold, and leaves `:`, `@`, `!`, `,`, `=`, `+` and `$` readable. */
function encodeSegment(segment: string): string {
  if (UNRESERVED.test(segment)) return segment;
  return encodeURIComponent(segment).replace(/%(?:3A|40|21|2C|3D|2B|24)/g, (match) =>
    decodeURIComponent(match),
  );
}

function refused(problem: string): CallError {
  return new CallError('INVALID_PATH', `The path was refused: ${problem}.`, {
    hint: 'Give an API path such as /nodes/pve1/qemu/100/status/current, with parameters in `data`.',
  });
}
