import { withoutSecrets } from '../observability/redaction.ts';

const MAX_LENGTH = 500;
const MAX_NAME = 64;

const ESC = '\u001b';
/** Terminal sequences as a whole: CSI, those that end with a string terminator (OSC, DCS, SOS, PM, APC), and short ones. */
const TERMINAL = new RegExp(
  [
    `(?:${ESC}\\[|\u009b)[0-?]*[ -/]*[@-~]`,
    `(?:${ESC}[\\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u009c${ESC}]*(?:\u0007|\u009c|${ESC}\\\\)`,
    `${ESC}[ -/]*[0-~]`,
  ].join('|'),
  'gu',
);
/**
 * What a person does not see and a model reads: controls (line feed and tab apart), zero-width and joining characters,
 * directions, variation selectors, tags, fillers, annotations, halves of pairs, and what is no character. Private use
 * stays: it is seen, as an icon or a box, and terminals' prompts are full of it.
 */
export const HIDDEN = String.raw`[\0-\x08\x0b-\x1f\x7f-\x9f\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u2028\u2029\ufff9-\ufffb]`;
const ANY_HIDDEN = new RegExp(HIDDEN, 'u');
const ALL_HIDDEN = new RegExp(HIDDEN, 'gu');

/** A text as a person sees it: without terminal sequences, and without characters that are controls or invisible. */
export function visible(text: string): string {
  if (!ANY_HIDDEN.test(text)) return text;
  return text
    .replace(TERMINAL, '')
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(ALL_HIDDEN, '');
}

/** A text of the other side made fit for a message: its first line as it is seen, at most 500 characters. */
export function cleanText(text: string): string {
  const line = text.trim().split(/[\r\n]/)[0] ?? '';
  const bare = visible(line.replace(TERMINAL, '').replace(/[\p{Cc}\u2028\u2029]/gu, ' ')).trim();
  return bare.length <= MAX_LENGTH ? bare : `${bare.slice(0, MAX_LENGTH).toWellFormed()}…`;
}

/**
 * A name that somebody else chose, as it may stand in a sentence: plain ones as they are, all others in quotation
 * marks, so that a guest called "ignore all previous instructions" reads as a name.
 */
export function quoted(name: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._@:+/-]{0,63}$/.test(name) ? name : inQuotes(name);
}

/** A name in quotation marks, at most 64 characters of it unless told. */
export function inQuotes(name: string, most = MAX_NAME): string {
  const seen = visible(name);
  const short = seen.length <= most ? seen : `${seen.slice(0, most).toWellFormed()}…`;
  return JSON.stringify(short);
}

/** Takes secrets out of a text, in every form in which they may have come back. */
export function redact(text: string, secrets: readonly string[]): string {
  return withoutSecrets(text, secrets);
}
