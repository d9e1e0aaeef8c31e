import { RE2JS } from 're2js';
import { wildcard } from './wildcard.ts';

/**
 * Names of guests that belong to a cluster. Case never matters: names of guests are DNS names, and `PROD-db` sent to
 * the default cluster because a pattern says `prod-` would be a guest of the wrong cluster.
 */
export interface NamePattern {
  /** As the operator wrote it. */
  text: string;
  /** The regular expression itself, where the pattern is one. */
  regex?: string;
  /** False for every name that is longer than 256 characters. */
  matches(name: string): boolean;
}

export const MOST_CHARACTERS = 256;
/** Instructions of a compiled expression: what each character of a name costs at most. */
const MOST_INSTRUCTIONS = 1000;
export const REGEX_FLAGS = RE2JS.CASE_INSENSITIVE;
const CLAIMS_ALL = 'claims every name; default_cluster is for what no pattern claims';
/** A pattern that takes all of these, though nothing is common to them, takes any name. */
const UNLIKE_NAMES = ['q', '0', 'x7-z.j3'];

/**
 * Reads a pattern: `prod-` is a prefix, `web-*-prod` with `*` or `?` a glob over the whole name, `/^(web|db)-\d+$/` a
 * regular expression that may match anywhere in the name. Expressions are RE2's: linear in time, without look-around
 * and back-references.
 *
 * @throws Error that says what is wrong
 */
export function parseNamePattern(text: string): NamePattern {
  if (text.trim() === '') throw new Error('is empty; give a prefix, a glob or /a regular expression/');
  if (text.length > MOST_CHARACTERS) throw new Error(`is longer than ${MOST_CHARACTERS} characters`);
  if (text.startsWith('/')) return regexPattern(text);
  const odd = /[^\p{L}\p{M}\p{N}._*?-]/u.exec(text)?.[0];
  if (odd !== undefined) {
    throw new Error(
      `holds ${JSON.stringify(odd)}, which no name of a guest has; a regular expression stands between slashes`,
    );
  }
  return /[*?]/.test(text) ? globPattern(text) : prefixPattern(text);
}

function prefixPattern(text: string): NamePattern {
  const prefix = text.toLowerCase();
  return { text, matches: (name) => isBounded(name) && name.toLowerCase().startsWith(prefix) };
}

function globPattern(text: string): NamePattern {
  if (/^[*?]*$/.test(text)) throw new Error(CLAIMS_ALL);
  // Several stars in a row mean what one means, and cost more.
  const glob = text.replace(/\*{2,}/g, '*');
  const fits = wildcard(glob);
  return { text, matches: (name) => isBounded(name) && fits(name) };
}

function regexPattern(text: string): NamePattern {
  const regex = /^\/(.*)\/i?$/s.exec(text)?.[1];
  if (regex === undefined) {
    throw new Error('begins with / and must end with one, as in /^web-[0-9]+$/; no flag but i is known');
  }
  const compiled = compile(regex);
  if (compiled.programSize() > MOST_INSTRUCTIONS) {
    throw new Error('is too large a regular expression; repeat less of it, or split it');
  }
  if (compiled.test('') || UNLIKE_NAMES.every((name) => compiled.test(name))) throw new Error(CLAIMS_ALL);
  return { text, regex, matches: (name) => isBounded(name) && compiled.test(name) };
}

function compile(regex: string): RE2JS {
  try {
    return RE2JS.compile(regex, REGEX_FLAGS);
  } catch (error) {
    const why =
      error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'it is invalid';
    throw new Error(`is no regular expression of RE2: ${why}`, { cause: error });
  }
}

function isBounded(name: string): boolean {
  return name.length <= MOST_CHARACTERS;
}
