import { extractSchema } from '../../src/catalogue/apidoc.ts';
import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import { Catalogue } from '../../src/catalogue/catalogue.ts';
import { compareSchema } from '../../src/catalogue/compare.ts';
import { isObject } from '../../src/catalogue/json.ts';
import { compilePattern } from '../../src/catalogue/pattern.ts';
import { ruleFor } from '../../src/catalogue/risk.ts';
import { readMethods } from '../../src/catalogue/schema.ts';
import type { ApiMethod, ParameterSchema } from '../../src/catalogue/types.ts';

/** What one check found: figures for people, and what is wrong; none means all is well. */
export interface CheckReport {
  readonly title: string;
  readonly figures: readonly string[];
  readonly differences: readonly string[];
}

/** Reads an official schema file as a cluster's would be read. */
export function readOfficial(text: string): Catalogue {
  return new Catalogue({
    source: 'file',
    label: 'the official file',
    methods: readMethods(extractSchema(text)),
  });
}

/**
 * Holds what the catalogue reads against the raw JSON: every method and parameter is there, every pattern can
 * be read, and an explicit rule says the risk of every method that is not a GET.
 */
export function checkCatalogue(text: string, official: Catalogue): CheckReport {
  const raw = new Map([...rawMethods(extractSchema(text))]);
  const differences = [
    ...[...raw].flatMap(([title, names]) => unread(title, names, official)),
    ...official.methods
      .filter((method) => !raw.has(titleOf(method)))
      .map((method) => `${titleOf(method)}: invented`),
    ...official.methods.filter(isUnclassified).map((method) => `${titleOf(method)}: no rule says its risk`),
    ...official.methods.flatMap(unreadPatterns),
  ];
  const parameters = official.methods.reduce((sum, method) => sum + Object.keys(method.parameters).length, 0);
  const builtIn = compareSchema(official, loadBuiltInCatalogue());
  return {
    title: 'catalogue',
    figures: [
      `${raw.size} methods, ${official.pathCount} paths, ${parameters} parameters`,
      `${official.methods.filter(isUnclassified).length} methods without an explicit rule of risk`,
      // The fallback is of about PVE 8.2 and can't know the rest: a figure, not a fault.
      `the built-in catalogue lacks ${builtIn.unknown.length} of these methods and has ${builtIn.invented.length} others`,
    ],
    differences,
  };
}

/** Reads the tree again, in another way than the catalogue does. */
function* rawMethods(nodes: readonly unknown[]): Iterable<[title: string, parameters: Set<string>]> {
  for (const node of nodes) {
    if (!isObject(node)) continue;
    for (const [verb, info] of Object.entries(isObject(node.info) ? node.info : {})) {
      yield [`${verb} ${String(node.path)}`, new Set(isObject(info) ? rawNames(info.parameters) : [])];
    }
    if (Array.isArray(node.children)) yield* rawMethods(node.children);
  }
}

function rawNames(block: unknown): string[] {
  if (Array.isArray(block)) return block.flatMap(rawNames);
  if (!isObject(block)) return [];
  const names = isObject(block.properties) ? Object.keys(block.properties) : [];
  return [
    ...names,
    ...rawNames(block.allOf),
    ...rawNames(block.oneOf),
    ...[block['type-property'] ?? []].flat().map(String),
  ];
}

function unread(title: string, names: ReadonlySet<string>, official: Catalogue): string[] {
  const method = official.methods.find((candidate) => titleOf(candidate) === title);
  if (method === undefined) return [`${title}: not read`];
  return [...names]
    .filter((name) => !Object.hasOwn(method.parameters, name))
    .map((name) => `${title}: ${name} not read`);
}

function isUnclassified(method: ApiMethod): boolean {
  return method.method !== 'GET' && ruleFor(method.method, method.path) === undefined;
}

function unreadPatterns(method: ApiMethod): string[] {
  const unreadable = Object.entries(method.parameters).filter(([, schema]) =>
    patternsOf(schema).some((pattern) => !compilePattern(pattern)),
  );
  return unreadable.map(([name]) => `${titleOf(method)}: the pattern of ${name} can't be read`);
}

function patternsOf(schema: ParameterSchema): string[] {
  const keys = typeof schema.format === 'object' ? Object.values(schema.format) : [];
  const inner = [...keys, ...(schema.oneOf ?? []), ...(schema.items ? [schema.items] : [])];
  return [...(schema.pattern === undefined ? [] : [schema.pattern]), ...inner.flatMap(patternsOf)];
}

function titleOf(method: ApiMethod): string {
  return `${method.method} ${method.path}`;
}
