import type { HttpMethod } from '../../proxmox/call.ts';
import { PathPattern } from './matching.ts';

/**
 * What a tenant may call at all; whatever is not here is not for tenants.
 * - `guest`: about guests that the call names, all of them the tenant's
 * - `create`: makes a guest
 * - `list`: its answer is filtered
 * - `pool`: about one pool
 * - `open`: tells nothing of anybody
 * - `infrastructure`: about nodes and storages, for tenants that may see these
 */
export type TenantPath = 'guest' | 'create' | 'list' | 'pool' | 'open' | 'infrastructure';

/** The lists whose answers are filtered, and how. */
export type ListKind = 'resources' | 'guests' | 'tasks' | 'pools' | 'jobs' | 'volumes' | 'ha' | 'replication';

const TENANT_LISTS: readonly (readonly [PathPattern, ListKind])[] = (
  [
    ['/cluster/resources', 'resources'],
    ['/nodes/*/qemu', 'guests'],
    ['/nodes/*/lxc', 'guests'],
    ['/cluster/backup-info/not-backed-up', 'guests'],
    ['/cluster/tasks', 'tasks'],
    ['/nodes/*/tasks', 'tasks'],
    ['/pools', 'pools'],
    ['/pools/*', 'pools'],
    ['/cluster/backup', 'jobs'],
    ['/nodes/*/storage/*/content', 'volumes'],
    ['/nodes/*/storage/*/prunebackups', 'volumes'],
    ['/cluster/ha/resources', 'ha'],
    ['/cluster/replication', 'replication'],
    ['/nodes/*/replication', 'replication'],
  ] as const
).map(([path, kind]) => [new PathPattern(path), kind]);

type Row = readonly [kind: TenantPath, methods: readonly HttpMethod[], path: PathPattern];

const GET: readonly HttpMethod[] = ['GET'];
const POST: readonly HttpMethod[] = ['POST'];
const ANY: readonly HttpMethod[] = ['GET', 'POST', 'PUT', 'DELETE'];

const rows = (kind: TenantPath, methods: readonly HttpMethod[], ...paths: string[]): Row[] =>
  paths.map((path) => [kind, methods, new PathPattern(path)]);

/** The first that matches holds; before the lists, what is about one guest. */
const TABLE: readonly Row[] = [
  ...rows('create', POST, '/nodes/*/qemu', '/nodes/*/lxc'),
  ...rows('guest', ANY, '/nodes/*/qemu/*/**', '/nodes/*/lxc/*/**', '/nodes/*/tasks/*/**'),
  ...rows('guest', ['GET', 'PUT', 'DELETE'], '/nodes/*/storage/*/content/*'),
  ...rows('guest', ['GET', 'DELETE'], '/nodes/*/storage/*/prunebackups'),
  ...rows('guest', GET, '/nodes/*/storage/*/file-restore/*', '/nodes/*/vzdump/extractconfig'),
  ...rows('guest', POST, '/nodes/*/vzdump', '/nodes/*/startall', '/nodes/*/stopall', '/nodes/*/suspendall'),
  ...rows('guest', POST, '/nodes/*/migrateall', '/cluster/bulk-action/guest/*'),
  ...rows('guest', POST, '/cluster/ha/resources', '/cluster/replication'),
  ...rows('guest', ANY, '/cluster/ha/resources/*/**', '/cluster/replication/*', '/nodes/*/replication/*/**'),
  ...rows('pool', GET, '/pools/*'),
  ...TENANT_LISTS.map(([path]): Row => ['list', GET, path]),
  ...rows('open', GET, '/version', '/cluster/nextid', '/nodes/*/capabilities/**'),
  ...rows('infrastructure', GET, '/nodes', '/nodes/*/status', '/nodes/*/version', '/nodes/*/network'),
  ...rows(
    'infrastructure',
    GET,
    '/nodes/*/storage',
    '/nodes/*/storage/*/status',
    '/cluster/status',
    '/storage',
  ),
];

/** @param parts from `pathParts` */
export function tenantPathOf(method: HttpMethod, parts: readonly string[]): TenantPath | undefined {
  return TABLE.find(([, methods, path]) => methods.includes(method) && path.matches(parts, 'allow'))?.[0];
}

export function listKindOf(parts: readonly string[]): ListKind | undefined {
  return TENANT_LISTS.find(([path]) => path.matches(parts, 'allow'))?.[1];
}
