import type { GatedCluster } from '../../access/gate.ts';
import { NIC_KEY, readConfig } from '../guest-config.ts';
import { targetOf } from '../guest-target.ts';
import { readProperties } from '../property-string.ts';

/** Each takes a question of its own. */
const MOST_GUESTS = 300;

export const BRIDGE_USER_CALLS = [
  ['GET', '/nodes/{node}/qemu/{vmid}/config'],
  ['GET', '/nodes/{node}/lxc/{vmid}/config'],
  ['GET', '/cluster/resources'],
] as const;

/** Guests with a NIC on a bridge or vnet, as `VM 100 net0`; and how many could not be asked. */
export interface BridgeUsers {
  users: string[];
  unasked: number;
}

/** @param node those on this node alone */
export async function bridgeUsers(
  cluster: GatedCluster,
  bridge: string,
  node?: string,
): Promise<BridgeUsers> {
  const { guests } = await cluster.inventory();
  const near = guests.filter((guest) => node === undefined || guest.node === node);
  const asked = near.slice(0, MOST_GUESTS);
  let unasked = near.length - asked.length;
  const found = await Promise.all(
    asked.map(async (guest) => {
      try {
        const { values } = await readConfig(targetOf(cluster, guest));
        return Object.entries(values)
          .filter(([key, value]) => NIC_KEY.test(key) && bridgeOf(value) === bridge)
          .map(([key]) => `${guest.type === 'qemu' ? 'VM' : 'container'} ${guest.vmid} ${key}`);
      } catch {
        unasked += 1;
        return [];
      }
    }),
  );
  return { users: found.flat(), unasked };
}

function bridgeOf(value: unknown): string | undefined {
  return readProperties(String(value)).options.get('bridge');
}
