import { readFileSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { z } from 'zod';
import { clusterConfig, type EntryContext } from './cluster-entry.ts';
import { CLUSTER_KEYS, CLUSTER_NAME, CLUSTER_NAME_RULE, clustersFile, FILE_KEYS } from './clusters-schema.ts';
import type { ClusterConfig } from './config.ts';
import { type Environment, errorCode } from './environment.ts';
import { parseStrictJson } from './json.ts';
import { didYouMean } from './nearest.ts';
import type { ConfigProblem } from './problems.ts';

export interface ClusterSet {
  clusters: ClusterConfig[];
  defaultCluster?: string;
  warnings: string[];
}

type ClustersFile = z.infer<typeof clustersFile>;

/** Keys that a later version uses: their form is checked today, so that a file written now stays valid. */
const LATER_KEYS = ['patterns', 'vmids', 'fallback'] as const;

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
  const text = readText(path, source, problems);
  const file = text === undefined ? undefined : parseFile(text, source, problems);
  if (file === undefined) return { clusters: [], warnings: [] };

  const warnings = [...permissionWarnings(path), ...laterWarnings(source, file)];
  const names = Object.keys(file.clusters);
  const problem = (field: string, message: string, cluster?: string): undefined => {
    problems.push({ source, ...(cluster === undefined ? {} : { cluster }), field, message });
  };
  if (names.length === 0) problem('clusters', 'holds no cluster');
  const clusters = Object.entries(file.clusters).flatMap(([name, entry]) => {
    if (!CLUSTER_NAME.test(name)) problem('clusters', `the name ${CLUSTER_NAME_RULE}`, name);
    const context: EntryContext = {
      name,
      folder: dirname(path),
      environment,
      problem: (key, message) => problem(key, message, name),
      warn: (message) => warnings.push(message),
    };
    return clusterConfig(entry, context) ?? [];
  });
  checkReferences(file, names, problem);
  const single = names.length === 1 ? names[0] : undefined;
  const defaultCluster = file.default_cluster ?? single;
  return { clusters, ...(defaultCluster === undefined ? {} : { defaultCluster }), warnings };
}

function readText(path: string, source: string, problems: ConfigProblem[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    problems.push({ source, message: `${path} can't be read (${errorCode(error)})` });
    return undefined;
  }
}

function parseFile(text: string, source: string, problems: ConfigProblem[]): ClustersFile | undefined {
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
  return undefined;
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
  problem: (field: string, message: string, cluster?: string) => void,
): void {
  const check = (field: string, wanted: string, cluster?: string) => {
    if (names.includes(wanted)) return;
    problem(
      field,
      `names the cluster "${wanted}", which does not exist.${didYouMean(wanted, names)}`,
      cluster,
    );
  };
  if (file.default_cluster !== undefined) check('default_cluster', file.default_cluster);
  for (const target of Object.values(file.patterns ?? {})) check('patterns', target);
  for (const [name, { fallback }] of Object.entries(file.clusters)) {
    if (fallback === name) problem('fallback', 'names the cluster itself', name);
    else if (fallback !== undefined) check('fallback', fallback, name);
  }
}

function permissionWarnings(path: string): string[] {
  // Windows has no such bits: Node reports 0o666 for every file there.
  if (process.platform === 'win32' || (statSync(path).mode & 0o077) === 0) return [];
  return [`${path} can be read by other users of this machine; run: chmod 600 ${path}`];
}

function laterWarnings(source: string, file: ClustersFile): string[] {
  const inClusters = Object.entries(file.clusters).flatMap(([name, entry]) =>
    LATER_KEYS.filter((key) => entry[key] !== undefined).map((key) => `cluster "${name}": ${key}`),
  );
  return [...(file.patterns === undefined ? [] : ['patterns']), ...inClusters].map(
    (where) => `${source}: ${where} is not used by this version yet`,
  );
}
