import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json } from '../../catalogue/json.ts';
import { ApiPath } from '../../proxmox/api-path.ts';
import { inQuotes } from '../../proxmox/text.ts';
import type { ApiCall } from '../define.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { rowsOf, textOf } from '../results.ts';
import { requireVersion } from '../versions.ts';
import { refused } from './interfaces.ts';

interface Kind {
  /** Template of the collection. */
  path: string;
  /** The parameter that names an object, in path and data. */
  key: string;
  /** The parameter of the path that names what it belongs to. */
  parent?: string;
  /** In a sentence. */
  word: string;
  /** Whether changes wait until SDN is applied. */
  isApplied: boolean;
  /** Only in Proxmox VE 9. */
  isNewer?: true;
}

export const KINDS = {
  zone: { path: '/cluster/sdn/zones', key: 'zone', word: 'zone', isApplied: true },
  vnet: { path: '/cluster/sdn/vnets', key: 'vnet', word: 'VNet', isApplied: true },
  subnet: {
    path: '/cluster/sdn/vnets/{vnet}/subnets',
    key: 'subnet',
    parent: 'vnet',
    word: 'subnet',
    isApplied: true,
  },
  controller: { path: '/cluster/sdn/controllers', key: 'controller', word: 'controller', isApplied: true },
  ipam: { path: '/cluster/sdn/ipams', key: 'ipam', word: 'IPAM', isApplied: false },
  dns: { path: '/cluster/sdn/dns', key: 'dns', word: 'DNS', isApplied: false },
  fabric: {
    path: '/cluster/sdn/fabrics/fabric',
    key: 'id',
    word: 'fabric',
    isApplied: true,
    isNewer: true,
  },
  fabric_node: {
    path: '/cluster/sdn/fabrics/node/{fabric_id}',
    key: 'node_id',
    parent: 'fabric_id',
    word: 'fabric node',
    isApplied: true,
    isNewer: true,
  },
} as const satisfies Record<string, Kind>;

export type SdnKind = keyof typeof KINDS;
export const SDN_KINDS = Object.keys(KINDS) as [SdnKind, ...SdnKind[]];

export const kindOf = (kind: SdnKind): Kind => KINDS[kind];

/** Whichever object is meant: `parent` is the VNet of a subnet, the fabric of a node in it. */
export const sdnParams = {
  kind: z.enum(SDN_KINDS),
  id: textParam(64),
  parent: textParam(64).optional().describe('Of a subnet its VNet, of a fabric_node its fabric.'),
};

/** The collection of a kind, and objects in it. */
export function sdnPath(kind: SdnKind, parent: string | undefined, id?: string): ApiPath {
  const segments = kindOf(kind)
    .path.slice(1)
    .split('/')
    .map((part) => (part.startsWith('{') ? (parent ?? '') : part));
  return ApiPath.ofSegments(id === undefined ? segments : [...segments, id]);
}

/** Calls on objects of all kinds: `sdnCalls('DELETE', true)`. */
export function sdnCalls(
  method: ApiCall[0],
  isObject: boolean,
  names: (kind: SdnKind) => readonly string[] = () => [],
): ApiCall[] {
  return SDN_KINDS.map((kind): ApiCall => {
    const { path, key } = kindOf(kind);
    return [method, isObject ? `${path}/{${key}}` : path, ...names(kind)];
  });
}

/** @throws CallError INVALID_ARGUMENTS where the parent is missing or too much, or the version too old */
export async function requireKind(
  cluster: GatedCluster,
  kind: SdnKind,
  parent: string | undefined,
): Promise<void> {
  const { path, parent: wanted, word, isNewer } = kindOf(kind);
  if (isNewer) await requireVersion(cluster, 'GET', path, { what: 'Fabrics of SDN', since: '9.0' });
  if ((wanted === undefined) === (parent === undefined)) return;
  throw wanted === undefined
    ? refused(cluster.name, 'INVALID_ARGUMENTS', `A ${word} has no \`parent\`.`, 'Leave it out.')
    : refused(
        cluster.name,
        'INVALID_ARGUMENTS',
        `A ${word} needs \`parent\`.`,
        `Pass the ${wanted.split('_')[0]} that it belongs to.`,
      );
}

/** @throws CallError */
export async function readKind(cluster: GatedCluster, kind: SdnKind, parent?: string): Promise<Json[]> {
  const data = kindOf(kind).isApplied ? { pending: 1 } : {};
  return rowsOf((await cluster.request({ method: 'GET', path: sdnPath(kind, parent), data })).data);
}

/**
 * An object as it is configured, whatever waits to be applied: of a new one Proxmox shows most beneath `pending`.
 */
export function configured({ pending, ...row }: Json): Json {
  if (!isObject(pending)) return row;
  const merged = Object.entries({ ...row, ...pending });
  return Object.fromEntries(merged.filter(([name]) => pending[name] !== 'deleted'));
}

/** The network of a subnet, which is also in its name: `zone-10.0.0.0-24`. */
function cidrOf(row: Json): string | undefined {
  const [, network, bits] = /^[^-]+-(.+)-(\d+)$/.exec(String(row.subnet)) ?? [];
  return textOf(configured(row).cidr) ?? (network === undefined ? undefined : `${network}/${bits}`);
}

/** As people call it: a subnet by its network. */
export function nameOf(kind: SdnKind, row: Json): string {
  return (kind === 'subnet' ? cidrOf(row) : undefined) ?? String(row[kindOf(kind).key]);
}

/** As Proxmox names it: a subnet `10.0.0.0/24` is stored as `zone-10.0.0.0-24`. */
export function findObject(kind: SdnKind, rows: readonly Json[], id: string): Json | undefined {
  const { key } = kindOf(kind);
  return rows.find((row) => row[key] === id || (kind === 'subnet' && cidrOf(row) === id));
}

/** @throws CallError NOT_FOUND with those that there are */
export function requireObject(cluster: string, kind: SdnKind, rows: readonly Json[], id: string): Json {
  const found = findObject(kind, rows, id);
  if (found !== undefined) return found;
  const { word } = kindOf(kind);
  const names = rows.map((row) => nameOf(kind, row));
  const message = `${cluster} has no ${word} ${inQuotes(id)}${kind === 'subnet' ? ' in this VNet' : ''}.`;
  throw refused(cluster, 'NOT_FOUND', message, `It has: ${someOf(names, 30) || 'none'}.`);
}

/** They go in and never come out. */
const SECRETS = new Set(['key', 'token']);

/** An object without its secrets and without what says nothing. */
export function shownObject(row: Json): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) => {
      if (value === null || value === '') return [];
      return [[name, SECRETS.has(name) ? 'set' : value]];
    }),
  );
}
