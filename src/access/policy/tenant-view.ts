import { splitList } from '../../catalogue/formats.ts';
import { isObject } from '../../catalogue/json.ts';
import type { Backups, GuestRow, Inventory } from '../../clusters/inventory.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import { taskVmid, vmidOf } from './guests.ts';
import { isOfTenant, pathParts } from './matching.ts';
import type { Tenant } from './policy.ts';
import { type ListKind, listKindOf, tenantPathOf } from './tenant-paths.ts';
import { ownersIn } from './volumes.ts';

type Row = Readonly<Record<string, unknown>>;

export interface TenantRequest {
  method: HttpMethod;
  /** Decoded and normalised. */
  path: string;
  tenant: Tenant;
  /** VMIDs of the tenant's guests on this cluster, from `visibleVmids`. */
  visible: ReadonlySet<number>;
}

/** The VMIDs of a tenant's guests. */
export function visibleVmids(guests: readonly GuestRow[], tenant: Tenant): Set<number> {
  return new Set(guests.filter((guest) => isOfTenant(guest, tenant)).map(({ vmid }) => vmid));
}

/** A cluster's inventory as a tenant sees it. */
export function tenantInventory(inventory: Inventory, tenant: Tenant): Inventory {
  const guests = inventory.guests.filter((guest) => isOfTenant(guest, tenant));
  const visible = new Set(guests.map(({ vmid }) => vmid));
  return {
    ...inventory,
    guests,
    nodes: tenant.infrastructure ? inventory.nodes : [],
    storages: tenant.infrastructure ? inventory.storages : [],
    rows: inventory.rows.filter((row) => KEEPS.resources(row, tenant, visible)),
  };
}

/** What a tenant sees of the newest backups. Which storages could not be read is about the infrastructure. */
export function tenantBackups(backups: Backups, visible: ReadonlySet<number>, tenant: Tenant): Backups {
  const { hidden, unread } = backups;
  return {
    ...backups,
    newest: new Map([...backups.newest].filter(([vmid]) => visible.has(vmid))),
    unread: unread.map((one) => (tenant.infrastructure ? one : { ...one, storage: '', node: '' })),
    ...(hidden === undefined ? {} : { hidden: new Set([...hidden].filter((vmid) => visible.has(vmid))) }),
  };
}

/**
 * Takes out of an answer what is not the tenant's. Totals count what is left: the length of the whole list would tell
 * how much there is of others'.
 *
 * @returns an empty list for what no tenant may call: `decide` has refused it before
 */
export function tenantAnswer<Reply extends { data: unknown; total?: number; changes?: string }>(
  { method, path, tenant, visible }: TenantRequest,
  reply: Reply,
): Reply {
  if (method !== 'GET') return reply;
  const parts = pathParts(path);
  const list = listKindOf(parts);
  if (list === undefined) {
    if (tenantPathOf(method, parts) !== undefined) return reply;
    const { changes: _changes, ...rest } = reply;
    return { ...rest, data: [], ...(reply.total === undefined ? {} : { total: 0 }) } as Reply;
  }
  const keep = (row: unknown): row is Row => isObject(row) && KEEPS[list](row, tenant, visible);
  const data = Array.isArray(reply.data) ? reply.data.filter(keep) : onePool(reply.data, list, tenant);
  const rows = Array.isArray(data) ? data.map((row) => ofRow(row, list, tenant, visible)) : data;
  const shown = Array.isArray(rows) || rows === undefined ? rows : withMembers(rows, tenant, visible);
  const total = reply.total === undefined || !Array.isArray(data) ? {} : { total: data.length };
  return { ...reply, data: shown ?? [], ...total };
}

/** A row that is the tenant's, without what it says of others. */
function ofRow(row: Row, list: ListKind, tenant: Tenant, visible: ReadonlySet<number>): Row {
  if (list === 'pools') return withMembers(row, tenant, visible);
  if (list !== 'volumes' || row.parent === undefined) return row;
  const owners = [...ownersIn({ parent: row.parent })];
  if (owners.length > 0 && owners.every((vmid) => visible.has(vmid))) return row;
  // The template that a linked clone was made from may be somebody else's.
  const { parent: _foreign, ...rest } = row;
  return rest;
}

/** `GET /pools/{poolid}` answers one object, without its name. */
function onePool(data: unknown, list: ListKind, tenant: Tenant): Row | undefined {
  if (list !== 'pools' || !isObject(data)) return undefined;
  return data.poolid === undefined || tenant.pools.includes(String(data.poolid)) ? data : undefined;
}

function withMembers(pool: Row, tenant: Tenant, visible: ReadonlySet<number>): Row {
  if (!Array.isArray(pool.members)) return pool;
  const members = pool.members.filter((row) => isObject(row) && isMember(row, tenant, visible));
  return { ...pool, members };
}

/** A member of the tenant's own pool is a guest of the tenant's, or a storage. */
function isMember(row: Row, tenant: Tenant, visible: ReadonlySet<number>): boolean {
  if (row.type === 'storage') return tenant.infrastructure;
  return isVisible(row.vmid, visible);
}

const KEEPS: Readonly<Record<ListKind, (row: Row, tenant: Tenant, visible: ReadonlySet<number>) => boolean>> =
  {
    resources: (row, tenant) => {
      if (row.type === 'qemu' || row.type === 'lxc') return isOfTenant(factsOf(row), tenant);
      if (row.type === 'pool') return tenant.pools.includes(String(row.pool));
      return tenant.infrastructure && (row.type === 'node' || row.type === 'storage');
    },
    guests: (row, _tenant, visible) => isVisible(row.vmid, visible),
    tasks: (row, _tenant, visible) => isVisible(taskVmid(String(row.upid)), visible),
    pools: (row, tenant) => tenant.pools.includes(String(row.poolid)),
    jobs: (row, tenant, visible) => {
      const vmids = splitList(String(row.vmid ?? ''));
      if (vmids.length > 0) return vmids.every((vmid) => isVisible(vmid, visible));
      return typeof row.pool === 'string' && tenant.pools.includes(row.pool);
    },
    volumes: (row, _tenant, visible) => {
      // Images to install from are there for all; whatever else belongs to no guest is somebody's.
      if (row.vmid === undefined || row.vmid === null)
        return row.content === 'iso' || row.content === 'vztmpl';
      return isVisible(row.vmid, visible);
    },
    ha: (row, _tenant, visible) => isVisible(String(row.sid).replace(/^(?:vm|ct):/, ''), visible),
    replication: (row, _tenant, visible) => isVisible(row.guest ?? String(row.id).split('-')[0], visible),
  };

function isVisible(value: unknown, visible: ReadonlySet<number>): boolean {
  const vmid = vmidOf(value);
  return vmid !== undefined && visible.has(vmid);
}

function factsOf({ vmid, pool, tags }: Row) {
  return {
    vmid: Number(vmid),
    tags: typeof tags === 'string' ? splitList(tags.toLowerCase()) : [],
    ...(typeof pool === 'string' ? { pool } : {}),
  };
}
