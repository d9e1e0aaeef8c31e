import type { ClusterEntry } from './clusters-schema.ts';
import type { Environment } from './environment.ts';
import { parseStrictJson } from './json.ts';

/** `host:port` or `host:port=AA:BB:…`, the latter with the fingerprint of this node; comma-separated. */
export function readEndpointList(environment: Environment, variable: string): ClusterEntry['endpoints'] {
  return environment.list(variable)?.map((item) => {
    const [, url = item, fingerprint] = /^([^=]*)=(.*)$/.exec(item) ?? [];
    return fingerprint === undefined ? url : { url: url.trim(), fingerprint: fingerprint.trim() };
  });
}

/** `currency=EUR,vcpu_hour=0.01`: what of it is a number becomes one; what it means is checked where it is read. */
export function readPriceList(environment: Environment, variable: string): ClusterEntry['prices'] {
  const items = environment.list(variable);
  if (items === undefined) return undefined;
  const pairs = items.map((item) => /^(?<key>\w+)\s*=\s*(?<value>.*)$/.exec(item)?.groups);
  const keys = pairs.map((groups) => groups?.key);
  if (pairs.includes(undefined) || new Set(keys).size < keys.length) {
    environment.problem(variable, 'must be pairs such as currency=EUR,vcpu_hour=0.01, each key once');
    return undefined;
  }
  return Object.fromEntries(
    pairs.map((groups) => {
      const { key = '', value = '' } = groups ?? {};
      return [key, /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(value) ? Number(value) : value];
    }),
  );
}

/** The patterns of one cluster: comma-separated, or a JSON list where one of them holds a comma. */
export function readPatternList(environment: Environment, variable: string): string[] | undefined {
  const text = environment.text(variable)?.trim();
  if (text === undefined) return undefined;
  if (!text.startsWith('[')) return environment.list(variable);
  const parsed = parseStrictJson(text);
  const list = 'value' in parsed && Array.isArray(parsed.value) ? parsed.value : undefined;
  if (list?.every((item): item is string => typeof item === 'string')) return list;
  environment.problem(variable, 'must be a comma list, or a JSON list of texts');
  return undefined;
}

const MAP_RULE =
  'must be pairs such as prod-:production,stg-:staging, or a JSON object such as {"prod-":"production"}; a pattern ' +
  'that holds a comma or a colon needs the JSON form';

/**
 * Patterns and the clusters they lead to: JSON, or `prod-:production,stg-:staging`.
 *
 * @param namesVariable where the names are listed, for the message
 * @returns the patterns of each cluster
 */
export function readPatternMap(
  environment: Environment,
  variable: string,
  names: readonly string[],
  namesVariable: string,
): Map<string, string[]> {
  const text = environment.text(variable)?.trim();
  if (text === undefined) return new Map();
  const pairs = text.startsWith('{') ? jsonPairs(text) : textPairs(text);
  if (pairs === undefined) environment.problem(variable, MAP_RULE);
  const found = new Map<string, string[]>();
  for (const [pattern, cluster] of pairs ?? []) {
    if (!names.includes(cluster)) {
      environment.problem(
        variable,
        `names the cluster ${JSON.stringify(cluster)}, which is not in ${namesVariable}`,
      );
    } else {
      found.set(cluster, [...(found.get(cluster) ?? []), pattern]);
    }
  }
  return found;
}

function jsonPairs(text: string): [string, string][] | undefined {
  const parsed = parseStrictJson(text);
  if (!('value' in parsed) || typeof parsed.value !== 'object' || parsed.value === null) return undefined;
  const pairs = Object.entries(parsed.value);
  return pairs.every((pair): pair is [string, string] => typeof pair[1] === 'string') ? pairs : undefined;
}

function textPairs(text: string): [string, string][] | undefined {
  const pairs = text
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => /^(?<pattern>[^:]+):(?<cluster>[^:]+)$/.exec(pair)?.groups);
  if (pairs.length === 0 || pairs.includes(undefined)) return undefined;
  return pairs.map((groups) => [(groups?.pattern ?? '').trim(), (groups?.cluster ?? '').trim()]);
}
