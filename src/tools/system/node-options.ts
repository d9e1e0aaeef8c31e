import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { refuser } from '../refusals.ts';
import { isoTime, numberOf, textOf } from '../results.ts';

/** Options of the datacenter; not all of all versions. */
export const DATACENTER_OPTIONS = [
  ...[
    'bwlimit',
    'consent-text',
    'console',
    'crs',
    'description',
    'email_from',
    'fencing',
    'ha',
    'http_proxy',
  ],
  ...['keyboard', 'language', 'location', 'mac_prefix', 'max_workers', 'migration', 'migration_unsecure'],
  ...[
    'next-id',
    'notify',
    'registered-tags',
    'replication',
    'tag-style',
    'u2f',
    'user-tag-access',
    'webauthn',
  ],
];

/** Options of a node's own configuration. */
export const NODE_OPTIONS = [
  ...['acme', 'acmedomain0', 'acmedomain1', 'acmedomain2', 'acmedomain3', 'acmedomain4', 'acmedomain5'],
  ...['ballooning-target', 'description', 'location', 'startall-onboot-delay', 'wakeonlan'],
];

const DNS_OPTIONS = ['search', 'dns1', 'dns2', 'dns3'];

export type Options = Readonly<Record<string, unknown>>;

/** What is set on a node: its configuration, DNS and time zone, under the names that `set_options` takes. */
export async function readNodeOptions(cluster: GatedCluster, node: string) {
  const unread: { part: string; problem: string }[] = [];
  const read = async (part: string, path: GateRequest['path']): Promise<Json> => {
    try {
      const { data } = await cluster.request({ method: 'GET', path });
      return isObject(data) ? data : {};
    } catch (thrown) {
      const { code, message } = toCallError(thrown);
      unread.push({ part, problem: `${code}: ${message}` });
      return {};
    }
  };
  const [{ digest: _digest, ...config }, dns, clock] = await Promise.all([
    read('config', apiPath`/nodes/${node}/config`),
    read('dns', apiPath`/nodes/${node}/dns`),
    read('time', apiPath`/nodes/${node}/time`),
  ]);
  const seconds = numberOf(clock.time);
  const timezone = textOf(clock.timezone);
  return {
    options: { ...config, ...dns, ...(timezone === undefined ? {} : { timezone }) },
    ...(seconds === undefined ? {} : { time: isoTime(seconds * 1000) }),
    ...(unread.length === 0 ? {} : { unread }),
  };
}

/**
 * The calls that set options of a node, which three methods share among them.
 *
 * @throws CallError INVALID_ARGUMENTS for what can't be reset; what the cluster says to the reading of its DNS
 */
export async function nodeRequests(
  cluster: GatedCluster,
  node: string,
  options: Options,
  remove: readonly string[],
): Promise<GateRequest[]> {
  const { timezone, ...others } = options;
  const isDns = (name: string) => DNS_OPTIONS.includes(name);
  const dns = Object.fromEntries(Object.entries(others).filter(([name]) => isDns(name)));
  const config = Object.fromEntries(Object.entries(others).filter(([name]) => !isDns(name)));
  const fixed = remove.filter((name) => name === 'timezone' || name === 'search');
  if (fixed.length > 0) {
    throw refuser(cluster.name)(
      'INVALID_ARGUMENTS',
      `A node needs ${fixed.join(', ')}.`,
      'Give a new value instead.',
    );
  }
  const reset = remove.filter((name) => !isDns(name));
  const requests: GateRequest[] = [];
  if (timezone !== undefined)
    requests.push({ method: 'PUT', path: apiPath`/nodes/${node}/time`, data: { timezone } });
  if (Object.keys(dns).length + remove.filter(isDns).length > 0) {
    const path = apiPath`/nodes/${node}/dns`;
    // What is left out is taken away.
    const { data } = await cluster.request({ method: 'GET', path });
    const kept = Object.entries(isObject(data) ? data : {}).filter(
      ([name]) => isDns(name) && !remove.includes(name),
    );
    requests.push({ method: 'PUT', path, data: { ...Object.fromEntries(kept), ...dns } });
  }
  if (Object.keys(config).length + reset.length > 0) {
    const gone = reset.length === 0 ? undefined : reset.join(',');
    requests.push({ method: 'PUT', path: apiPath`/nodes/${node}/config`, data: { ...config, delete: gone } });
  }
  return requests;
}
