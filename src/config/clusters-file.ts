import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { clusterConfig, type EntryContext } from './cluster-entry.ts';
import type { ClusterKey } from './cluster-variables.ts';
import { sealedOpener } from './clusters-key.ts';
import {
  CLUSTER_KEYS,
  CLUSTER_NAME,
  CLUSTER_NAME_RULE,
  type ClusterEntry,
  clustersFile,
  FILE_KEYS,
} from './clusters-schema.ts';
import { type ClusterSet, checkTogether, type DescribedCluster, missingCluster } from './described.ts';
import { type Environment, errorCode } from './environment.ts';
import { parseStrictJson } from './json.ts';
import { didYouMean } from './nearest.ts';
import type { ConfigProblem } from './problems.ts';

type ClustersFile = z.infer<typeof clustersFile>;

/**
 * Reads clusters.json. Everything that is wrong with it goes into `problems`; the result then holds what was right.
 *
 * @param path absolute path; secrets and CA files named in it are relative to its folder
 */
export function readClustersFile(
  path: string,
  environment: Environment,
  problems: ConfigProblem[],
): ClusterSet {
  const source = basename(path);
  const text = readText(path, source, environment, problems);
  const file = text === undefined ? undefined : parseClustersFile(text, source, problems);
  if (file === undefined) return { clusters: [], described: [], warnings: [] };

  const warnings = permissionWarnings(path);
  const names = Object.keys(file.clusters);
  const problem = (field: string, message: string, cluster?: string): undefined => {
    problems.push({ source, ...(cluster === undefined ? {} : { cluster }), field, message });
  };
  if (names.length === 0) problem('clusters', 'holds no cluster');
  const described = Object.entries(file.clusters).map(([name, entry]) =>
    describe(name, entry, file.patterns ?? {}, { source, folder: dirname(path), environment }),
  );
  const openSealed = sealedOpener(environment, names);
  const clusters = described.flatMap(({ name, entry }) => {
    if (!CLUSTER_NAME.test(name)) {
      problems.push({ source, cluster: name, message: `the name ${CLUSTER_NAME_RULE}` });
    }
    const context: EntryContext = {
      name,
      folder: dirname(path),
      environment,
      problem: (key, message) => problem(key, message, name),
      warn: (message) => warnings.push(message),
      openSealed,
    };
    return clusterConfig(entry, context) ?? [];
  });
  const set = { clusters, described, ...defaultOf(file, names, source), warnings };
  checkReferences(file, names, problem);
  checkTogether(set, problem);
  return set;
}

/** The one that is named; a single cluster needs no name. */
function defaultOf(
  { default_cluster: named }: ClustersFile,
  names: readonly string[],
  source: string,
): Pick<ClusterSet, 'defaultCluster' | 'defaultOrigin'> {
  if (named !== undefined) return { defaultCluster: named, defaultOrigin: source };
  const [only, ...others] = names;
  if (only === undefined || others.length > 0) return {};
  return { defaultCluster: only, defaultOrigin: 'the only cluster' };
}

/** Puts the patterns that stand at the top into the entries they lead to, and notes where each value comes from. */
function describe(
  name: string,
  entry: ClusterEntry,
  shared: Readonly<Record<string, string>>,
  { source, folder, environment }: { source: string; folder: string; environment: Environment },
): DescribedCluster {
  const patternOrigins = new Map<string, string>();
  for (const [text, cluster] of Object.entries(shared)) {
    if (cluster === name) patternOrigins.set(text, `${source} (patterns)`);
  }
  for (const text of [entry.patterns ?? []].flat()) patternOrigins.set(text, source);
  const origins = new Map<ClusterKey, string>();
  for (const key of Object.keys(entry) as ClusterKey[]) {
    const value = entry[key];
    if (value !== undefined) origins.set(key, originOf(value, { source, folder, environment }));
  }
  const patterns = patternOrigins.size === 0 ? {} : { patterns: [...patternOrigins.keys()] };
  return { name, entry: { ...entry, ...patterns }, origins, patternOrigins };
}

/** A secret stands where the file points to. */
function originOf(
  value: unknown,
  { source, folder, environment }: { source: string; folder: string; environment: Environment },
): string {
  if (typeof value !== 'object' || value === null) return source;
  if ('env' in value && typeof value.env === 'string') return environment.origin(value.env);
  if ('file' in value && typeof value.file === 'string') return resolve(folder, value.file);
  return source;
}

function readText(
  path: string,
  source: string,
  environment: Environment,
  problems: ConfigProblem[],
): string | undefined {
  try {
    return environment.readFile(path).replace(/^\uFEFF/, '');
  } catch (error) {
    problems.push({ source, message: `${path} can't be read (${errorCode(error)})` });
    return undefined;
  }
}

/**
 * Parses the text of a clusters.json and checks its form; what is wrong goes into `problems`.
 *
 * @param source what the file is called in problems
 * @returns what is known of it, unknown keys left out; undefined where a value has a wrong form
 */
export function parseClustersFile(
  text: string,
  source: string,
  problems: ConfigProblem[],
): ClustersFile | undefined {
  const parsed = parseStrictJson(text);
  if ('problems' in parsed) {
    for (const { line, column, path, message } of parsed.problems) {
      problems.push({ source, ...location(path), message: `line ${line}, column ${column}: ${message}` });
    }
    return undefined;
  }
  const result = clustersFile.safeParse(parsed.value, { error: plainWords });
  if (result.success) return result.data;
  for (const issue of result.error.issues) problems.push(...issueProblems(issue, source));
  for (const issue of result.error.issues) dropUnknown(issue, parsed.value);
  return clustersFile.safeParse(parsed.value).data;
}

/** Takes the keys out that the issue says are unknown, so that what is known can be checked as well. */
function dropUnknown(issue: z.core.$ZodIssue, value: unknown): void {
  if (issue.code !== 'unrecognized_keys') return;
  const holder = issue.path.reduce((inner, key) => (isRecord(inner) ? inner[String(key)] : undefined), value);
  if (isRecord(holder)) for (const key of issue.keys) delete holder[key];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** zod's texts in words of the operator; none repeats a value. */
function plainWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.input === undefined) return 'is missing';
  const words: Record<string, string> = { string: 'a text', boolean: 'true or false', array: 'a list' };
  return `must be ${words[issue.expected] ?? 'an object'}`;
}

function issueProblems(issue: z.core.$ZodIssue, source: string): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') return [{ source, ...location(path), message: issue.message }];
  const known = path.length === 0 ? FILE_KEYS : CLUSTER_KEYS;
  return issue.keys.map((key) => ({
    source,
    ...location([...path, key]),
    message: `is not a known key.${didYouMean(key, known)}`,
  }));
}

function location(path: readonly string[]): Pick<ConfigProblem, 'cluster' | 'field'> {
  const [top, cluster, ...rest] = path;
  if (top !== 'clusters' || cluster === undefined) return path.length === 0 ? {} : { field: path.join('.') };
  return rest.length === 0 ? { cluster } : { cluster, field: rest.join('.') };
}

function checkReferences(
  file: ClustersFile,
  names: readonly string[],
  problem: (field: string, message: string) => void,
): void {
  const check = (field: string, wanted: string) => {
    if (!names.includes(wanted)) problem(field, missingCluster(wanted, names));
  };
  if (file.default_cluster !== undefined) check('default_cluster', file.default_cluster);
  for (const target of Object.values(file.patterns ?? {})) check('patterns', target);
}

function permissionWarnings(path: string): string[] {
  // Windows has no such bits: Node reports 0o666 for every file there.
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if (process.platform === 'win32' || (mode & 0o077) === 0) return [];
  return [`${path} can be read by other users of this machine; run: chmod 600 ${path}`];
}
