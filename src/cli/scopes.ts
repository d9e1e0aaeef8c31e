import { isName } from '../access/claims.ts';
import { SCOPES } from '../access/principal.ts';
import { didYouMean } from '../config/nearest.ts';
import { usageError } from './failure.ts';

const KNOWN = `The scopes are: ${SCOPES.join(', ')}. proxmox:admin holds all the others but proxmox:approve.`;

/**
 * Reads scopes separated by blanks or commas.
 *
 * @returns them as OAuth writes them, each once
 * @throws CliError that names the known ones
 */
export function readScopes(text: string): string {
  const names = [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))];
  if (names.length === 0) throw usageError('--scope must not be empty.', KNOWN);
  for (const name of names) {
    if (SCOPES.some((scope) => scope === name)) continue;
    throw usageError(`There is no scope ${JSON.stringify(name)}.${didYouMean(name, SCOPES)}`, KNOWN);
  }
  return names.join(' ');
}

/**
 * Reads the name of whom a credential is for.
 *
 * @throws CliError where it is empty, or would not be one line in a log
 */
export function readSubject(text: string): string {
  if (text.trim() === '') throw usageError('--subject must not be empty.');
  if (!isName(text)) {
    throw usageError('--subject must be up to 256 characters, without control characters.');
  }
  return text;
}
