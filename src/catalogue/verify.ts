import type { Catalogue, Match } from './catalogue.ts';
import { isObject } from './json.ts';
import { findParameter, nearestParameters } from './parameter-lookup.ts';
import { encodeScalar } from './scalar.ts';
import {
  type ApiMethod,
  type CallProblem,
  type HttpMethod,
  type ParameterSchema,
  pathParameterNames,
} from './types.ts';
import { type EncodedParameter, encodeValue } from './value.ts';

export interface VerifiedCall {
  readonly ok: true;
  readonly method: ApiMethod;
  /** The values in the path, decoded. */
  readonly pathParameters: Readonly<Record<string, string>>;
  /** What goes into the query or the body; a list is a repeated key. */
  readonly encoded: Readonly<Record<string, EncodedParameter>>;
}

export interface RefusedCall {
  readonly ok: false;
  readonly problems: readonly CallProblem[];
}

/** More would help no one, and finding the nearest names takes time. */
const MOST_PROBLEMS = 50;

/** How many known methods are offered for a path that leads nowhere. */
const SUGGESTIONS = 5;

/**
 * Verifies a call against the catalogue before it is sent, and finds everything wrong with it at once:
 * a path that leads nowhere (with the nearest that do), parameters that are missing, unknown (with the nearest
 * names) or mistyped, those of the path included. Parameters that are null or undefined count as not given.
 */
export function verifyCall(
  catalogue: Catalogue,
  method: HttpMethod,
  path: string,
  params: Readonly<Record<string, unknown>>,
): VerifiedCall | RefusedCall {
  const match = catalogue.match(method, path);
  if (match === undefined) return { ok: false, problems: [unknownPath(catalogue, method, path)] };
  const given = Object.fromEntries(
    Object.entries(params).filter(([, value]) => value !== null && value !== undefined),
  );
  const inPath = pathProblems(match);
  const problems = inPath.map(([parameter, problem]): CallProblem => ({ parameter, path, problem }));
  const all = { ...given, ...match.pathParameters };
  const encoded: [string, EncodedParameter][] = [];
  for (const [name, value] of Object.entries(given)) {
    if (problems.length >= MOST_PROBLEMS) break;
    if (Object.hasOwn(match.pathParameters, name)) {
      problems.push(...verifyRepeated(name, value, match.pathParameters[name]));
      continue;
    }
    const result = verifyParameter(match.method, name, value, all);
    problems.push(...result.problems);
    if (result.encoded !== undefined) encoded.push([name, result.encoded]);
  }
  problems.push(...missingParameters(match.method, all));
  if (problems.length > 0) return { ok: false, problems };
  const { pathParameters } = match;
  return { ok: true, method: match.method, pathParameters, encoded: Object.fromEntries(encoded) };
}

function unknownPath(catalogue: Catalogue, method: HttpMethod, path: string): CallProblem {
  const verbs = catalogue.verbs(path);
  if (verbs.length > 0) {
    return { path, problem: `does not take ${method}`, hint: `it takes ${verbs.join(', ')}` };
  }
  const near = catalogue.nearest(method, path, SUGGESTIONS).map((found) => `${found.method} ${found.path}`);
  return {
    path,
    problem: `is not a path of the API (${catalogue.label})`,
    hint: near.length > 0 ? `nearest: ${near.join('; ')}` : 'find one with search_api',
  };
}

/** A catalogue remembers where concrete paths lead, and what is wrong with their values is as lasting. */
const PATH_PROBLEMS = new WeakMap<Match, PathProblems>();
type PathProblems = readonly (readonly [parameter: string, problem: string])[];

function pathProblems(match: Match): PathProblems {
  const known = PATH_PROBLEMS.get(match);
  if (known !== undefined) return known;
  const problems = Object.entries(match.pathParameters).flatMap(([parameter, value]): PathProblems => {
    const result = encodeScalar(match.method.parameters[parameter] ?? {}, value);
    return result.ok ? [] : [[parameter, `in the path, ${result.problem}`]];
  });
  PATH_PROBLEMS.set(match, problems);
  return problems;
}

// PVE refuses a parameter that is given in the path and beside it, unless it is the same value.
function verifyRepeated(name: string, value: unknown, inPath: string | undefined): CallProblem[] {
  if (!isObject(value) && !Array.isArray(value) && String(value) === inPath) return [];
  return [{ parameter: name, problem: 'has another value in the path', hint: 'give it in the path alone' }];
}

interface ParameterResult {
  readonly encoded?: EncodedParameter;
  readonly problems: readonly CallProblem[];
}

function verifyParameter(
  method: ApiMethod,
  name: string,
  value: unknown,
  all: Readonly<Record<string, unknown>>,
): ParameterResult {
  const schema = findParameter(method, name) ?? (method.additionalProperties ? {} : undefined);
  if (schema === undefined) return { problems: [unknownParameter(method, name)] };
  const result = encodeValue(schema, value, all);
  if (!result.ok) {
    const problems = result.problems.map(({ key, ...problem }) => ({
      parameter: key === undefined ? name : `${name}.${key}`,
      ...problem,
    }));
    return { problems };
  }
  if (schema.requires !== undefined && all[schema.requires] === undefined) {
    return { problems: [{ parameter: name, problem: `needs ${schema.requires} too` }] };
  }
  // A form can't carry an empty list; leaving the key out says the same.
  if (result.encoded.length === 0 && Array.isArray(result.encoded)) {
    return { problems: schema.optional ? [] : [{ parameter: name, problem: 'needs at least one item' }] };
  }
  return { encoded: result.encoded, problems: [] };
}

function unknownParameter(method: ApiMethod, name: string): CallProblem {
  const problem = `is not a parameter of ${method.method} ${method.path}`;
  const near = nearestParameters(method, name);
  if (near.length > 0) return { parameter: name, problem, hint: `did you mean ${near.join(', ')}?` };
  const inPath = new Set(pathParameterNames(method.path));
  const known = Object.keys(method.parameters).filter((parameter) => !inPath.has(parameter));
  if (known.length === 0) return { parameter: name, problem, hint: 'it takes none' };
  const more = known.length > 25 ? ', …' : '';
  return { parameter: name, problem, hint: `it takes ${known.slice(0, 25).join(', ')}${more}` };
}

/** The parameters of methods that are not optional: a handful of up to two hundred, looked for at each call. */
const NEEDED = new WeakMap<ApiMethod, readonly (readonly [name: string, schema: ParameterSchema])[]>();

function neededParameters(method: ApiMethod): readonly (readonly [name: string, schema: ParameterSchema])[] {
  const known = NEEDED.get(method);
  if (known !== undefined) return known;
  const needed = Object.entries(method.parameters).filter(([, { optional }]) => !optional);
  NEEDED.set(method, needed);
  return needed;
}

function missingParameters(method: ApiMethod, all: Readonly<Record<string, unknown>>): CallProblem[] {
  return neededParameters(method)
    .filter(([name, schema]) => isForKind(schema, all) && !Object.hasOwn(all, name))
    .map(([name, schema]) => ({
      parameter: name,
      problem: 'is missing',
      ...(schema.description ? { hint: schema.description.slice(0, 200) } : {}),
    }));
}

// A parameter that is not for the kind at hand may be left out, whatever it says of itself.
function isForKind(schema: ParameterSchema, all: Readonly<Record<string, unknown>>): boolean {
  const kind = schema.typeProperty === undefined ? undefined : all[schema.typeProperty];
  return kind === undefined || (schema.instanceTypes?.includes(String(kind)) ?? true);
}
