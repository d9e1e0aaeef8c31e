import type { Parameters, ProxmoxCall } from './call.ts';
import { parseLargeList } from './chunked-json.ts';
import { CallError } from './errors.ts';
import type { WireAnswer, WireRequest } from './exchange.ts';
import { redact } from './text.ts';

/** pveproxy reads no longer body than this; it answers 501 to more. */
const MAX_BODY_BYTES = 512 * 1024;
const TAKES_JSON = { accept: 'application/json' } as const;
const SENDS_FORM = { ...TAKES_JSON, 'content-type': 'application/x-www-form-urlencoded' } as const;

/**
 * Encodes a call as PVE takes it: GET and DELETE in the query, POST and PUT as a form with a Content-Length (PVE
 * refuses chunked bodies, and bodies on DELETE).
 *
 * @throws CallError INVALID_ARGUMENTS for what has no wire form.
 */
export function encodeCall({
  method,
  path: { wire },
  parameters,
  template,
}: Pick<ProxmoxCall, 'method' | 'path' | 'parameters' | 'template'>): WireRequest {
  const target = wire === '/' ? '/api2/json' : `/api2/json${wire}`;
  const form = encodeParameters(parameters);
  if (method === 'GET' || method === 'DELETE') {
    return { method, target: form === '' ? target : `${target}?${form}`, headers: TAKES_JSON, template };
  }
  if (form.length > MAX_BODY_BYTES) {
    throw new CallError(
      'INVALID_ARGUMENTS',
      'The parameters are larger than the 512 KiB that Proxmox VE reads.',
      {
        hint: 'Send less at once.',
      },
    );
  }
  return {
    method,
    target,
    headers: SENDS_FORM,
    body: form,
    template,
  };
}

/**
 * Encodes parameters as a query or a form: booleans as 1/0, arrays as repeated keys (an empty array sends nothing),
 * blanks as %20, which reads the same in both places.
 *
 * @throws CallError INVALID_ARGUMENTS for a number that is not finite and for text with half a surrogate pair.
 */
export function encodeParameters(parameters: Parameters): string {
  const pairs: string[] = [];
  for (const [key, value] of Object.entries(parameters)) {
    const values = typeof value === 'object' ? value : [value];
    for (const single of values)
      pairs.push(`${encodeText(key, key)}=${encodeText(scalar(single, key), key)}`);
  }
  return pairs.join('&');
}

function scalar(value: string | number | boolean, key: string): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number' && !Number.isFinite(value)) throw unsendable(key, 'is not a finite number');
  return String(value);
}

function encodeText(text: string, key: string): string {
  if (!text.isWellFormed()) throw unsendable(key, 'holds text that is not valid Unicode');
  return encodeURIComponent(text);
}

function unsendable(key: string, problem: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `The parameter ${JSON.stringify(key)} ${problem}.`, {
    hint: 'Correct this parameter.',
  });
}

/** What PVE's JSON envelope holds. */
export interface Envelope {
  data: unknown;
  total?: number;
  changes?: string;
  message?: string;
  errors?: Record<string, string>;
}

/**
 * Reads the JSON envelope of an answer, whatever its content type says: proxies change that.
 *
 * @returns undefined where the body is no such envelope.
 */
export function parseEnvelope(body: string): Envelope | undefined {
  return envelopeIn(parseJson(body));
}

/** As `parseEnvelope`, in parts where the list is so large that reading it at once would stop everything else. */
export async function readEnvelope(body: string): Promise<Envelope | undefined> {
  const large = await parseLargeList(body);
  return large === undefined ? parseEnvelope(body) : envelopeIn({ ...large.rest, data: large.data });
}

function envelopeIn(parsed: unknown): Envelope | undefined {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed) || !('data' in parsed))
    return undefined;
  const { data, total, changes, message, errors } = parsed as Record<string, unknown>;
  const envelope: Envelope = { data };
  if (total !== undefined && /^\d+$/.test(String(total))) envelope.total = Number(total);
  if (typeof changes === 'string' && changes !== '') envelope.changes = changes;
  if (typeof message === 'string') envelope.message = message;
  if (typeof errors === 'object' && errors !== null && Object.keys(errors).length > 0) {
    envelope.errors = Object.fromEntries(Object.entries(errors).map(([key, text]) => [key, String(text)]));
  }
  return envelope;
}

/** What a body that is no envelope is, in words: it completes "answered …". */
export function describeForeign(answer: WireAnswer): string {
  const body = answer.body.trimStart();
  if (answer.status >= 300 && answer.status < 400)
    return `a redirect (HTTP ${answer.status}), which is not followed`;
  if (body === '') return 'nothing';
  if (/html/i.test(answer.contentType) || body.startsWith('<')) return 'HTML, not the Proxmox API';
  if (parseJson(body) !== undefined) return 'JSON, but not as the Proxmox API does';
  if (/^[{[]/.test(body)) return 'JSON that is cut off or broken';
  return 'something that is not JSON';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * PVE's message of a failed answer: from the envelope, else from the reason phrase, which older versions and early
 * checks use alone. Undefined where the answer is some proxy's, whose text says nothing to a user of PVE.
 */
export function pveMessage(
  answer: WireAnswer,
  envelope: Envelope | undefined,
  secrets: readonly string[],
): string | undefined {
  if (envelope === undefined && answer.body.trim() !== '' && answer.contentType !== '') return undefined;
  if (answer.body.trimStart().startsWith('<')) return undefined;
  return redact(envelope?.message?.trim() || answer.reason.trim() || answer.body.trim(), secrets);
}
