import { createContext, Script } from 'node:vm';
import { isObject } from './json.ts';

/** Longer values are left for PVE to judge: some patterns need time in the square of the length. */
const LONGEST_VALUE = 4096;

/** What a pattern may take; an honest one takes microseconds. */
const TIME_LIMIT_MS = 100;

const TEST = new Script('expression.test(value)');

/**
 * Whether a value matches a schema's pattern, as PVE matches it: `^pattern$`.
 *
 * The patterns are Perl's and come from a host. What JavaScript can't read, or can't decide in time, is left
 * for PVE to judge, as `true`.
 */
export function matchesPattern(pattern: string, value: string): boolean {
  if (value.length > LONGEST_VALUE) return true;
  const expression = compilePattern(pattern);
  if (expression === undefined) return true;
  return repeatsGroup(pattern) ? testInTime(expression, value) : expression.test(value);
}

/** The JavaScript form of a Perl pattern, or undefined where there is none. */
export function compilePattern(pattern: string): RegExp | undefined {
  // qr// prints as (?^:…) and (?^i:…); JavaScript has the modifier groups but not the caret.
  const translated = pattern
    .replaceAll('(?^:', '(?:')
    .replaceAll(/\(\?\^([a-z]+):/g, (_, flags: string) => `(?${flags.replaceAll(/[^ims]/g, '')}:`)
    .replaceAll('\\A', '^')
    .replaceAll(/\\[zZ]/g, '$');
  try {
    return new RegExp(`^${translated}$`);
  } catch {
    return undefined;
  }
}

/** Only a repeated group can take exponential time. */
function repeatsGroup(pattern: string): boolean {
  return /\)(?:[*+]|\{\d*,)/.test(pattern);
}

/**
 * Tests with a limit on time. PVE 9.2's own pattern for OCI references takes hours for 40 wrong letters in
 * JavaScript (Perl cuts it short), and nothing but a vm context can interrupt a regular expression.
 */
function testInTime(expression: RegExp, value: string): boolean {
  try {
    return TEST.runInContext(createContext({ expression, value }), { timeout: TIME_LIMIT_MS }) === true;
  } catch (error) {
    // An error of the context's own realm, so no instance of our Error.
    if (isObject(error) && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return true;
    throw error;
  }
}
