import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import type { GuestRow } from '../../clusters/inventory.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { VOLUME_KEY } from '../guest-config.ts';
import { rowsOf, textOf } from '../results.ts';

export const USER_CALLS = (['qemu', 'lxc'] as const).flatMap(
  (type) =>
    [
      ['GET', `/nodes/{node}/${type}/{vmid}/config`, 'snapshot'],
      ['GET', `/nodes/{node}/${type}/{vmid}/snapshot`],
    ] as const,
);

/** Tells whether somebody has a VMID, whatever the token may see. */
export const TAKEN_CALL = ['GET', '/cluster/nextid', 'vmid'] as const;

/**
 * Whether a guest has this VMID. The list of guests leaves out what the token may not see, and a disk must not count
 * as nobody's for that.
 *
 * @throws CallError where that can't be known
 */
export async function isTaken(cluster: GatedCluster, vmid: number): Promise<boolean> {
  try {
    await cluster.request({ method: 'GET', path: apiPath`/cluster/nextid`, data: { vmid } });
    return false;
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    if (code !== 'POLICY_DENIED' && /already exists/i.test(message)) return true;
    throw thrown;
  }
}

/** Questions at a time; more would keep the nodes busy. */
const AT_ONCE = 50;

/** Asks about all, some at a time, until some are found: what was not asked about may be the one that counts. */
export async function someFound<Item, Found>(
  items: readonly Item[],
  ask: (item: Item) => Promise<readonly Found[]>,
): Promise<Found[]> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const found = (await Promise.all(items.slice(from, from + AT_ONCE).map(ask))).flat();
    if (found.length > 0) return found;
  }
  return [];
}

/** Where a guest's configuration, now or in a snapshot, names a volume. */
interface Use {
  key: string;
  volid: string;
  snapshot?: string;
}

/**
 * Where a guest uses volumes, its snapshots included: their disks are gone with the volume, too.
 *
 * @param isWanted tells the volumes that are asked for
 * @throws CallError
 */
export async function usesOf(
  cluster: GatedCluster,
  guest: Pick<GuestRow, 'node' | 'type' | 'vmid'>,
  isWanted: (volid: string) => boolean,
  { withSnapshots = true }: { withSnapshots?: boolean } = {},
): Promise<Use[]> {
  const { node, type, vmid } = guest;
  const config = async (snapshot?: string): Promise<Use[]> => {
    const path = apiPath`/nodes/${node}/${type}/${vmid}/config`;
    const { data } = await cluster.request({ method: 'GET', path, data: { snapshot } });
    return volumesIn(data)
      .filter(({ volid }) => isWanted(volid))
      .map((use) => (snapshot === undefined ? use : { ...use, snapshot }));
  };
  const now = await config();
  if (now.length > 0 || !withSnapshots) return now;
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/${type}/${vmid}/snapshot`,
  });
  const names = rowsOf(data).flatMap(({ name }) => (name === 'current' ? [] : (textOf(name) ?? [])));
  return someFound(names, config);
}

function volumesIn(config: unknown): Use[] {
  return Object.entries(isObject(config) ? config : {}).flatMap(([key, value]) => {
    if (!VOLUME_KEY.test(key) || typeof value !== 'string') return [];
    const volid = value
      .split(',')
      .map((part) => part.replace(/^(?:file|volume)=/, ''))
      .find((part) => /^[A-Za-z][\w.-]*:/.test(part));
    return volid === undefined ? [] : [{ key, volid }];
  });
}

/** `VM 100 (web-01)` */
export function guestWords({ vmid, name, type }: Pick<GuestRow, 'vmid' | 'name' | 'type'>): string {
  const kind = type === 'qemu' ? 'VM' : 'container';
  return `${kind} ${vmid}${name === undefined ? '' : ` (${quoted(name)})`}`;
}
