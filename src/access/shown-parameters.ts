import { isUtf8 } from 'node:buffer';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { isOn, isSecretParameter } from '../catalogue/risk-parameters.ts';
import { mapTexts, type Redaction, withoutSecrets } from '../observability/redaction.ts';
import { REDACTED } from '../observability/secret-patterns.ts';
import { CallError } from '../proxmox/errors.ts';
import { excerpt } from './approvals/excerpt.ts';
import type { AskedCall } from './verification.ts';

/** What goes into files and programs, by template: for the record its length says enough. */
const CONTENTS: readonly (readonly [name: string, template: RegExp])[] = [
  ['content', /\/agent\/file-write$/],
  ['input-data', /\/agent\/exec$/],
  ['data', /^\/nodes\/[^/]+\/hosts$/],
];
/** No secret, though its name sounds like one. */
const OPEN_NAMES: ReadonlySet<string> = new Set(['generate-password']);
/** For parameters that no catalogue knows yet. */
const SECRET_NAME = /pass(?:word|wd|phrase)|secret|credential|private[-_]?key|api[-_]?key|[-_]token$|hmac/i;
/** The option of a command whose argument is a secret. */
const SECRET_OPTION =
  /^--?(?:[a-z-]*(?:password|passwd|passphrase|secret|api-?key|private-?key)|token|pass)$/i;

/**
 * The parameters of a call as the record may have them: secrets out by the API's own schema, by name and by what they
 * look like; the contents of files by their length alone.
 */
export function shownParameters(
  catalogue: Catalogue,
  call: AskedCall,
  redaction: Redaction,
): Record<string, unknown> {
  return withShown(catalogue, call, redaction, (name, value) => ({
    [name]: `[${lengthOf(value)} characters]`,
  }));
}

/**
 * The same for a plan, which a person judges who has to see what is executed: with the contents of files and what goes
 * into programs, their secrets out by what they look like, and every text that is too long as an excerpt.
 */
export function plannedParameters(
  catalogue: Catalogue,
  call: AskedCall,
  redaction: Redaction,
): Record<string, unknown> {
  const cut = (value: unknown) => mapTexts(value, (text) => excerpt(redaction.text(text), text));
  const content = (name: string, value: unknown) => {
    const decoded = decodedContent(name, call.data);
    return decoded === undefined ? { [name]: cut(value) } : { [`${name} (base64, decoded)`]: cut(decoded) };
  };
  return withShown(catalogue, call, redaction, content, cut);
}

function withShown(
  catalogue: Catalogue,
  { method, path, data = {} }: AskedCall,
  redaction: Redaction,
  content: (name: string, value: unknown) => Record<string, unknown>,
  text: (value: unknown) => unknown = (value) => value,
): Record<string, unknown> {
  const known = catalogue.match(method, path.wire)?.method;
  const template = known?.path ?? path.toString();
  const shown = Object.entries(data).flatMap(([name, value]): [string, unknown][] => {
    if (value === undefined || value === null || value === '') return [[redaction.text(name), value]];
    if (isSecret(template, name)) return [[redaction.text(name), REDACTED]];
    if (isContent(template, name)) return Object.entries(content(name, value));
    return [[redaction.text(name), redaction.value(text(withoutOptions(value)))]];
  });
  return Object.fromEntries(shown);
}

/** What `file-write` makes of a content that came encoded; undefined where it did not, or is no text. */
function decodedContent(name: string, { content, encode }: AskedCall['data'] = {}): string | undefined {
  if (name !== 'content' || encode === undefined || encode === null || isOn(encode)) return undefined;
  if (typeof content !== 'string' || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(content)) return undefined;
  const bytes = Buffer.from(content, 'base64');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/**
 * Takes the secrets that a call was made with out of what its failure says: Proxmox and what stands before it repeat
 * parameters in their messages, and not every error is read by who gave them.
 */
export function withoutGiven(thrown: unknown, catalogue: Catalogue | undefined, call: AskedCall): unknown {
  // One that carries more than words, such as a plan, is made of parameters as they may be shown.
  if (!(thrown instanceof CallError) || thrown.constructor !== CallError) return thrown;
  const { method, path, data = {} } = call;
  const template = catalogue?.match(method, path.wire)?.method.path ?? path.toString();
  const given = Object.entries(data).flatMap(([name, value]) =>
    isSecret(template, name) || isContent(template, name) ? textsOf(value) : [],
  );
  return given.length === 0 ? thrown : thrown.reworded((text) => withoutSecrets(text, given));
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string')
    return [value, ...value.split(/[\s,;=]+/).filter((part) => part.length >= 16)];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function isContent(template: string, name: string): boolean {
  return CONTENTS.some(([content, place]) => content === name && place.test(template));
}

function isSecret(template: string, name: string): boolean {
  if (OPEN_NAMES.has(name)) return false;
  return isSecretParameter(template, name) || SECRET_NAME.test(name);
}

/** `['mysql', '--password', 'x']`: the secret stands in an item of its own. */
function withoutOptions(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item, index) => (SECRET_OPTION.test(String(value[index - 1] ?? '')) ? REDACTED : item));
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : (JSON.stringify(value)?.length ?? 0);
}
