import { editDistance } from '../config/nearest.ts';
import {
  type ApiMethod,
  type CatalogueSource,
  HTTP_METHODS,
  type HttpMethod,
  pathParameterNames,
} from './types.ts';

/** A method that a concrete path leads to, and the values its template takes from the path (decoded). */
export interface Match {
  readonly method: ApiMethod;
  readonly pathParameters: Readonly<Record<string, string>>;
}

interface CatalogueOptions {
  readonly source: CatalogueSource;
  /** The PVE version the schema is of, where known. */
  readonly version?: string;
  /** Where the schema came from, in words for people. */
  readonly label: string;
  readonly methods: readonly ApiMethod[];
}

interface Node {
  readonly literals: Map<string, Node>;
  readonly methods: Map<HttpMethod, ApiMethod>;
  parameter?: Node;
  /** Takes all that is left of the path, slashes included. */
  rest?: Node;
}

/** Concrete paths that are remembered of each verb; a few hundred bytes each. */
const MOST_MATCHES = 500;
const LONGEST_KEPT_PATH = 256;
/** Below this, a suggestion would mislead more than help. */
const WORST_SCORE_PER_SEGMENT = 0.6;

/**
 * The methods of one PVE API, found by verb and concrete path.
 *
 * Paths are read as PVE reads them (PVE::RESTHandler), but for what could be read in two ways: an encoded
 * slash, `.` and `..`, empty segments, blanks and control characters lead nowhere.
 */
export class Catalogue {
  readonly source: CatalogueSource;
  readonly version: string | undefined;
  readonly label: string;
  readonly methods: readonly ApiMethod[];
  readonly #root: Node = newNode();
  /** What concrete paths led to, as a call asks several times on its way through the gate. */
  readonly #matches: Readonly<Record<HttpMethod, Map<string, Match>>> = {
    GET: new Map(),
    POST: new Map(),
    PUT: new Map(),
    DELETE: new Map(),
  };

  constructor(options: CatalogueOptions) {
    this.source = options.source;
    this.version = options.version;
    this.label = options.label;
    this.methods = options.methods;
    for (const method of options.methods) this.#add(method);
  }

  /** How many different path templates there are. */
  get pathCount(): number {
    return new Set(this.methods.map((method) => method.path)).size;
  }

  /** The method with exactly this template. */
  get(method: HttpMethod, template: string): ApiMethod | undefined {
    return this.methods.find((candidate) => candidate.method === method && candidate.path === template);
  }

  /** The method a concrete, possibly percent-encoded path leads to. */
  match(method: HttpMethod, path: string): Match | undefined {
    const matches = this.#matches[method];
    const known = matches.get(path);
    if (known !== undefined) return known;
    const values = decodeSegments(path);
    const found = values && find(this.#root, values, 0)?.methods.get(method);
    if (values === undefined || found === undefined) return undefined;
    const pathParameters = Object.freeze(takeParameters(found.path, values));
    const match = Object.freeze({ method: found, pathParameters });
    if (matches.size >= MOST_MATCHES) matches.clear();
    if (path.length <= LONGEST_KEPT_PATH) matches.set(path, match);
    return match;
  }

  /** The verbs a concrete path knows, in the usual order. */
  verbs(path: string): HttpMethod[] {
    const values = decodeSegments(path);
    const known = values && find(this.#root, values, 0)?.methods;
    return known ? HTTP_METHODS.filter((method) => known.has(method)) : [];
  }

  /**
   * The methods most like a path that leads nowhere, best first: the same path with another verb, then paths
   * that differ in few segments, those with the verb first.
   */
  nearest(method: HttpMethod, path: string, limit: number): ApiMethod[] {
    const segments = splitPath(path).slice(0, 24);
    const cost = segmentCosts();
    const scored: { candidate: ApiMethod; score: number }[] = [];
    for (const candidate of this.methods) {
      const template = splitPath(candidate.path);
      const distance = segmentDistance(segments, template, cost);
      const worst = WORST_SCORE_PER_SEGMENT * Math.max(segments.length, template.length);
      if (distance > worst || !shareWord(segments, template, cost)) continue;
      scored.push({ candidate, score: distance + (candidate.method === method ? 0 : 0.3) });
    }
    scored.sort((a, b) => a.score - b.score || a.candidate.path.localeCompare(b.candidate.path));
    return scored.slice(0, limit).map((entry) => entry.candidate);
  }

  #add(method: ApiMethod): void {
    const segments = splitPath(method.path);
    let node = this.#root;
    for (const [index, segment] of segments.entries()) {
      if (!isParameter(segment)) {
        const next = node.literals.get(segment) ?? newNode();
        node.literals.set(segment, next);
        node = next;
      } else if (index === segments.length - 1 && takesRest(segments)) {
        node.rest ??= newNode();
        node = node.rest;
      } else {
        node.parameter ??= newNode();
        node = node.parameter;
      }
    }
    node.methods.set(method.method, method);
  }
}

function newNode(): Node {
  return { literals: new Map(), methods: new Map() };
}

function find(node: Node, values: readonly string[], depth: number): Node | undefined {
  const value = values[depth];
  if (value === undefined) return node.methods.size > 0 ? node : undefined;
  const literal = node.literals.get(value);
  const below = literal && find(literal, values, depth + 1);
  if (below) return below;
  // Only the rest of a path may hold a slash: PVE decodes before it splits.
  const parameter = node.parameter && !value.includes('/') && find(node.parameter, values, depth + 1);
  return parameter || node.rest;
}

function takeParameters(template: string, values: readonly string[]): Record<string, string> {
  const segments = splitPath(template);
  const taken: [string, string][] = [];
  for (const [index, segment] of segments.entries()) {
    const name = isParameter(segment) ? pathParameterNames(segment)[0] : undefined;
    if (name === undefined) continue;
    const last = index === segments.length - 1;
    taken.push([name, last ? values.slice(index).join('/') : (values[index] ?? '')]);
  }
  return Object.fromEntries(taken);
}

/**
 * Volume names and networks hold slashes, so PVE takes all that is left of the path for them
 * (`fragmentDelimiter` in PVE::API2::Storage::Status and PVE::API2::Firewall::IPSet).
 */
function takesRest(segments: readonly string[]): boolean {
  const last = segments.at(-1);
  return last === '{volume}' || (last === '{cidr}' && segments.at(-3) === 'ipset');
}

function decodeSegments(path: string): string[] | undefined {
  const segments = path.replace(/^\//, '').replace(/\/$/, '').split('/');
  if (segments.length === 1 && segments[0] === '') return undefined;
  const decoded: string[] = [];
  for (const segment of segments) {
    // Unencoded, these would end the path for one reader and not for the next.
    const value = /[?#\\]/.test(segment) ? undefined : decode(segment);
    if (value === undefined || /^$|[\s\p{Cc}]/u.test(value)) return undefined;
    if (value.split('/').some((part) => part === '' || part === '.' || part === '..')) return undefined;
    decoded.push(value);
  }
  return decoded;
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function splitPath(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

function isParameter(segment: string): boolean {
  return segment.startsWith('{');
}

/** What it costs to take one segment of a path for one of a template, from 0 to 1. */
type Cost = (segment: string, template: string) => number;

/** A segment left out of the path is a likelier slip than a wrong one. */
const LEFT_OUT = 0.5;

/** Edit distance in whole segments. */
function segmentDistance(path: readonly string[], template: readonly string[], cost: Cost): number {
  let last = template.map((_, index) => (index + 1) * LEFT_OUT);
  last.unshift(0);
  for (const [i, segment] of path.entries()) {
    const row = [i + 1];
    for (const [j, other] of template.entries()) {
      const change = (last[j] ?? 0) + cost(segment, other);
      row.push(Math.min(change, (row[j] ?? 0) + LEFT_OUT, (last[j + 1] ?? 0) + 1));
    }
    last = row;
  }
  return last[template.length] ?? 0;
}

/** Parameters fit anything, so likeness takes a word that both have, or nearly. */
function shareWord(path: readonly string[], template: readonly string[], cost: Cost): boolean {
  const literals = template.filter((segment) => !isParameter(segment));
  return path.some((segment) => literals.some((literal) => cost(segment, literal) < 1));
}

/** The cost of a segment, worked out once for each pair: templates share most of their words. */
function segmentCosts(): Cost {
  const known = new Map<string, number>();
  return (segment, template) => {
    const pair = `${segment}/${template}`;
    const cost = known.get(pair) ?? segmentCost(segment, template);
    known.set(pair, cost);
    return cost;
  };
}

function segmentCost(segment: string, template: string): number {
  if (segment === template) return 0;
  // A template's parameter stands for any value, at a small price.
  if (isParameter(template)) return isParameter(segment) ? 0 : 0.15;
  const length = Math.max(segment.length, template.length);
  // What is as long as a sentence can't be a slip of a word; the distance is quadratic.
  if (length > 64) return 1;
  const share = editDistance(segment, template) / length;
  return share > 0.5 ? 1 : share + 0.1;
}
