import { basename, resolve } from 'node:path';
import type { z } from 'zod';
import { type Environment, errorCode } from './environment.ts';
import { lineOfJson, parseStrictJson } from './json.ts';
import { didYouMean } from './nearest.ts';
import { checkPolicy } from './policy-checks.ts';
import { POLICY_KEYS, type PolicyFile, policyFile } from './policy-schema.ts';
import type { ConfigProblem } from './problems.ts';

/** A person's policy is some kilobytes; what is larger than this is no policy. */
const MOST_CHARACTERS = 1024 * 1024;
/** Enough to mend a file with, and not a screen full for one slip at its top. */
const MOST_PROBLEMS = 25;

/** Told what is wrong, and at which keys from the top of the file. */
export type PolicyProblem = (path: readonly (string | number)[], message: string) => void;

/** POLICY_FILE as an absolute path. Nothing is opened here. */
export function readPolicyPath(environment: Environment, cwd: string): string | undefined {
  const wanted = environment.text('POLICY_FILE');
  if (wanted === undefined) return undefined;
  if (wanted.startsWith('~')) environment.problem('POLICY_FILE', 'must not begin with ~: write the path out');
  return resolve(cwd, wanted);
}

/**
 * Reads the policy. One that was named has to be there and to be right: a service without the policy that its operator
 * wrote would allow what a token's scopes say.
 *
 * @param path absolute
 * @returns undefined where anything is wrong with it, which then stands in `problems`
 */
export function readPolicyFile(
  path: string,
  environment: Environment,
  problems: ConfigProblem[],
): PolicyFile | undefined {
  try {
    return parsePolicy(environment.readFile(path), basename(path), problems);
  } catch (error) {
    problems.push({ source: 'POLICY_FILE', message: `${path} can't be read (${errorCode(error)})` });
    return undefined;
  }
}

/**
 * Parses the text of a policy and checks its form and what it refers to.
 *
 * @param source what the file is called in problems
 * @returns undefined where anything is wrong with it: half a policy is none
 */
export function parsePolicy(raw: string, source: string, problems: ConfigProblem[]): PolicyFile | undefined {
  const text = raw.replace(/^\uFEFF/, '');
  if (text.length > MOST_CHARACTERS) {
    problems.push({ source, message: `is longer than ${MOST_CHARACTERS} characters` });
    return undefined;
  }
  const found: ConfigProblem[] = [];
  const problem: PolicyProblem = (path, message) => {
    const line = lineOfJson(text, path);
    const where = path.length === 0 ? {} : { field: shown(path) };
    found.push({ source, ...where, message: line === undefined ? message : `line ${line}: ${message}` });
  };
  const policy = parseForm(text, source, found, problem);
  if (policy !== undefined && found.length === 0) checkPolicy(policy, problem);
  problems.push(...found.slice(0, MOST_PROBLEMS));
  if (found.length > MOST_PROBLEMS) {
    problems.push({ source, message: `and ${found.length - MOST_PROBLEMS} problems more` });
  }
  return found.length === 0 ? policy : undefined;
}

function parseForm(
  text: string,
  source: string,
  found: ConfigProblem[],
  problem: PolicyProblem,
): PolicyFile | undefined {
  const parsed = parseNested(text);
  if ('problems' in parsed) {
    for (const { line, column, path, message } of parsed.problems) {
      const where = path.length === 0 ? {} : { field: shown(path) };
      found.push({ source, ...where, message: `line ${line}, column ${column}: ${message}` });
    }
    return undefined;
  }
  // What reads objects by their keys, zod included, may pass over this one without a word.
  for (const path of prototypeKeys(parsed.value, [])) problem(path, 'is not a known key.');
  const result = policyFile.safeParse(parsed.value, { error: plainWords });
  if (result.success) return result.data;
  for (const issue of result.error.issues) report(issue, problem);
  return undefined;
}

/** The parser climbs down with the text, and a text of brackets alone exhausts the stack. */
function parseNested(text: string): ReturnType<typeof parseStrictJson> {
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { problems: [{ line: 1, column: 1, path: [], message: 'is nested too deep' }] };
  }
}

function* prototypeKeys(value: unknown, path: readonly (string | number)[]): Generator<(string | number)[]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const here = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === '__proto__') yield here;
    yield* prototypeKeys(item, here);
  }
}

/** zod's texts in words of the operator; none repeats a value. */
function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.input === undefined) return 'is missing';
  const words: Record<string, string> = { string: 'a text', boolean: 'true or false', array: 'a list' };
  return `must be ${words[issue.expected] ?? 'an object'}`;
}

function report(issue: z.core.$ZodIssue, problem: PolicyProblem): void {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  if (issue.code === 'unrecognized_keys') {
    const known = POLICY_KEYS[kindOf(path)] ?? [];
    for (const key of issue.keys) problem([...path, key], `is not a known key.${didYouMean(key, known)}`);
  } else if (issue.code === 'invalid_key') {
    problem(path, issue.issues[0]?.message ?? issue.message);
  } else {
    problem(path, issue.message);
  }
}

/** The key that says what kind of object stands there; roles are below their names, and lists below their places. */
function kindOf(path: readonly (string | number)[]): string {
  if (path.length === 2 && path[0] === 'roles') return 'roles';
  return String(path.findLast((part) => typeof part === 'string') ?? '');
}

/** `roles.web.grants[0].allow` */
function shown(path: readonly (string | number)[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${part.slice(0, 100)}`))
    .join('')
    .replace(/^\./, '');
}
