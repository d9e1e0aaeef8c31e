import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json } from '../../catalogue/json.ts';
import type { GuestRow, Inventory } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { rowsOf, textOf } from '../results.ts';

/** Where a cluster says on which nodes HA may run what: 8.x has groups of nodes, 9.x rules. */
export type Generation = 'groups' | 'rules';

export const HA_CALLS = [
  ['GET', '/cluster/ha/resources'],
  ['GET', '/cluster/ha/status/current'],
  ['GET', '/cluster/resources'],
] as const;

/** What telling the generation may call. */
export const GENERATION_CALLS = [['GET', '/version']] as const;

/** @throws CallError where its version can't be asked */
export async function generationOf(cluster: GatedCluster): Promise<Generation> {
  const catalogue = await cluster.catalogue();
  if (catalogue.get('GET', '/cluster/ha/rules') !== undefined) return 'rules';
  if (catalogue.source !== 'built-in') return 'groups';
  // The built-in description is older than many hosts.
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/version` });
  const major = Number.parseInt(textOf(isObject(data) ? data.version : '') ?? '', 10);
  return major >= 9 ? 'rules' : 'groups';
}

/** `vm:100`, `ct:110`: how HA names a guest. */
export function sidOf({ type, vmid }: Pick<GuestRow, 'type' | 'vmid'>): string {
  return `${type === 'qemu' ? 'vm' : 'ct'}:${vmid}`;
}

export function vmidOf(sid: string): number {
  return Number(sid.split(':')[1]);
}

/** The items of a list in one text, as Proxmox writes them. */
export function itemsOf(value: unknown): string[] {
  return (textOf(value) ?? '').split(/[\s,;]+/).filter(Boolean);
}

/** What HA was told, and what it makes of it. */
export interface HaState {
  /** Of the configuration, by `sid`. */
  resources: ReadonlyMap<string, Json>;
  /** Of the managers: quorum, master, fencing, local managers, and a row for each resource. */
  status: readonly Json[];
}

/** @throws CallError */
export async function readHa(cluster: GatedCluster): Promise<HaState> {
  const get = async (path: ReturnType<typeof apiPath>) =>
    rowsOf((await cluster.request({ method: 'GET', path })).data);
  const [resources, status] = await Promise.all([
    get(apiPath`/cluster/ha/resources`),
    get(apiPath`/cluster/ha/status/current`),
  ]);
  return { resources: new Map(resources.map((row) => [String(row.sid), row])), status };
}

/** What the managers say of one resource. */
export function serviceOf({ status }: Pick<HaState, 'status'>, sid: string): Json | undefined {
  return status.find((row) => row.type === 'service' && row.sid === sid);
}

/** `active` of `pve1 (active, Sat Nov 21 …)`. */
export function managerState(status: unknown): string {
  const text = textOf(status) ?? '';
  return /\(([^,)]+)/.exec(text)?.[1] ?? text;
}

/** @throws CallError NOT_FOUND where the guest is not under HA */
export function requireResource(cluster: GatedCluster, { resources }: HaState, guest: GuestRow): Json {
  const row = resources.get(sidOf(guest));
  if (row !== undefined) return row;
  const name = guest.name === undefined ? '' : ` (${quoted(guest.name)})`;
  throw new CallError('NOT_FOUND', `${sidOf(guest)}${name} is not under HA in ${cluster.name}.`, {
    cluster: cluster.name,
    hint: `save_ha_resource adds it. Under HA: ${someOf([...resources.keys()], 20) || 'nothing'}. Nothing was sent.`,
  });
}

/** Rules or groups, as Proxmox has them. @throws CallError */
export async function readRules(cluster: GatedCluster, generation: Generation): Promise<Json[]> {
  const path = generation === 'rules' ? apiPath`/cluster/ha/rules` : apiPath`/cluster/ha/groups`;
  return rowsOf((await cluster.request({ method: 'GET', path })).data);
}

export const RULE_READS = [
  ['GET', '/cluster/ha/rules'],
  ['GET', '/cluster/ha/groups'],
] as const;

/**
 * The guests that a caller means by name or VMID, as HA names them.
 *
 * @throws CallError NOT_FOUND for one that is not there; INVALID_ARGUMENTS for a name of several, and for one that is
 *   not under HA: Proxmox takes no other into a rule
 */
export function sidsOf(cluster: GatedCluster, wanted: readonly string[], inventory: Inventory, ha: HaState) {
  const refuse = (code: 'NOT_FOUND' | 'INVALID_ARGUMENTS', message: string, hint: string) =>
    new CallError(code, message, { cluster: cluster.name, hint: `${hint} Nothing was sent.` });
  const sids = wanted.map((text) => {
    const number = /^(?:vm:|ct:)?(\d+)$/.exec(text)?.[1];
    const found = inventory.guests.filter((guest) =>
      number === undefined ? guest.nameLower === text.toLowerCase() : guest.vmid === Number(number),
    );
    const [guest] = found;
    if (guest === undefined) {
      throw refuse('NOT_FOUND', `${cluster.name} has no guest ${quoted(text)}.`, 'find_guests lists them.');
    }
    if (found.length > 1) {
      const which = someOf(found.map(({ vmid }) => String(vmid)));
      throw refuse('INVALID_ARGUMENTS', `${quoted(text)} is the name of ${which}.`, 'Pass the VMID.');
    }
    if (ha.resources.has(sidOf(guest))) return sidOf(guest);
    throw refuse(
      'INVALID_ARGUMENTS',
      `${quoted(text)} is not under HA.`,
      'Add it with save_ha_resource first.',
    );
  });
  return [...new Set(sids)];
}
