import type { Denial, Note } from './decision.ts';
import { isOfTenant } from './matching.ts';
import type { Asked, Tenant } from './policy.ts';
import type { Seen } from './rules.ts';
import { tenantPathOf } from './tenant-paths.ts';

/** Settings of a guest that reach what is on the node: its devices, folders, hooks, and files of other people. */
const NODE_KEYS =
  /^(?:args|hookscript|cicustom|ivshmem|(?:hostpci|usb|parallel|dev|virtiofs)\d+|lxc(?:\..*)?)$/;
/** A value that is, or names, a path of the node instead of a volume; `mp=/data` is one within the guest. */
const NODE_PATH = /^\s*\/|(?:^|,)\s*(?:file|volume|import-from|path)=\s*\//;
const VOLUME_KEYS =
  /^(?:(?:scsi|virtio|ide|sata|mp|unused|serial)\d+|efidisk0|tpmstate0|rootfs|cdrom|import-from|archive|ostemplate|volume)$/;

/** Whether a tenant may make a call at all. What is not its own looks as if it were not there. */
export function tenantDenial(
  asked: Asked,
  seen: Seen,
  tenant: Tenant | undefined,
  note?: Note,
): Denial | undefined {
  if (tenant === undefined) return undefined;
  note?.(
    () => `tenant: pools ${tenant.pools.join(', ') || 'none'}; tags ${tenant.tags.join(', ') || 'none'}`,
  );
  const denial = guestDenial(asked, tenant) ?? pathDenial(asked, seen, tenant);
  note?.(() => `tenant: ${denial === undefined ? 'the call is within it' : denial.reason}`);
  return denial;
}

function guestDenial({ guests, cluster, parameters = {}, path }: Asked, tenant: Tenant): Denial | undefined {
  const { named = [], creates, unnamed, unreadable } = guests ?? {};
  const foreign = named.find((guest) => !isOfTenant(guest, tenant));
  if (foreign !== undefined || unreadable !== undefined) {
    return hidden(`There is no guest ${foreign?.vmid ?? unreadable} on ${cluster}`);
  }
  if (creates !== undefined && !isOfTenant(creates, tenant)) return outside(tenant);
  const key = creates === undefined && !/\/config$/.test(path) ? undefined : nodeKey(parameters);
  if (key !== undefined) {
    return refused(
      `${key} reaches what is on the node itself`,
      'Use volumes, and leave devices of the node alone.',
    );
  }
  const ofPool = typeof parameters.pool === 'string' && tenant.pools.includes(parameters.pool);
  if (unnamed === undefined || ofPool) return undefined;
  return refused(`It acts on ${unnamed}`, 'Name the guests that are meant by their VMIDs.');
}

function pathDenial(
  { method, parameters = {}, guests }: Asked,
  { parts }: Seen,
  tenant: Tenant,
): Denial | undefined {
  const kind = tenantPathOf(method, parts);
  switch (kind) {
    case undefined:
      return refused('It is about more than your guests', 'Call what is about your own guests.');
    case 'guest':
      // One without a guest would be about all, or about something else.
      if ((guests?.named.length ?? 0) > 0 || guests?.unnamed !== undefined) return undefined;
      return refused('It names none of your guests', 'Name one of your guests by its VMID.');
    case 'pool':
      return tenant.pools.includes(parts[1] ?? '') ? undefined : hidden(`There is no pool ${parts[1]}`);
    case 'list':
      return poolDenial(parts, parameters, tenant);
    case 'open':
      // With a VMID it tells whether somebody has it.
      if (parts[1] !== 'nextid' || parameters.vmid === undefined) return undefined;
      return refused(
        'It tells of guests that may not be yours',
        'Ask for the next free VMID without naming one.',
      );
    case 'infrastructure':
      if (tenant.infrastructure) return undefined;
      return refused('Nodes and storages are not for you to see', 'Ask the operator for "infrastructure".');
    case 'create':
      return undefined;
  }
}

function poolDenial(
  parts: readonly string[],
  { poolid }: Readonly<Record<string, unknown>>,
  tenant: Tenant,
): Denial | undefined {
  if (parts[0] !== 'pools' || poolid === undefined || tenant.pools.includes(String(poolid))) return undefined;
  return hidden(`There is no pool ${String(poolid).slice(0, 100)}`);
}

function nodeKey(parameters: Readonly<Record<string, unknown>>): string | undefined {
  return Object.entries(parameters).find(
    ([key, value]) => NODE_KEYS.test(key) || (VOLUME_KEYS.test(key) && namesPath(value)),
  )?.[0];
}

function namesPath(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).some(([key, item]) => key !== 'mp' && namesPath(item));
  }
  return typeof value === 'string' && NODE_PATH.test(value);
}

function outside({ pools, tags }: Tenant): Denial {
  const choices = [
    ...(pools.length === 0 ? [] : [`pool to one of ${pools.join(', ')}`]),
    ...(tags.length === 0 ? [] : [`tags to one of ${tags.join(', ')}`]),
  ];
  return refused('The new guest would be none of yours', `Set ${choices.join(', or ')}.`);
}

function hidden(reason: string): Denial {
  return { ...refused(reason, 'List your guests to see which there are.'), missing: true };
}

function refused(reason: string, hint: string): Denial {
  return { rule: 'the binding to tenants', reason, hint };
}
