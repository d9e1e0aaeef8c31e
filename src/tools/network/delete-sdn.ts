import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { noted } from '../results.ts';
import { BRIDGE_USER_CALLS, bridgeUsers } from './bridge-users.ts';
import { refused } from './interfaces.ts';
import {
  configured,
  kindOf,
  nameOf,
  readKind,
  requireKind,
  requireObject,
  type SdnKind,
  sdnCalls,
  sdnParams,
  sdnPath,
} from './sdn-kinds.ts';

export const deleteSdn = defineTool({
  name: 'delete_sdn',
  title: 'Prepare deleting an SDN object',
  description:
    'Deletes an SDN object that no other object and no guest uses. On the nodes it stays until apply_sdn.',
  toolset: 'network',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ...sdnCalls('DELETE', true),
    ...sdnCalls('GET', false, (kind) => (kindOf(kind).isApplied ? ['pending'] : [])),
    ...BRIDGE_USER_CALLS,
  ],
  input: z.strictObject({ cluster: clusterParam, ...sdnParams }),
  output: z.object({ ...selectedFields, kind: z.string(), id: z.string(), note: z.string().optional() }),
  async run({ cluster: named, kind, id, parent }, context) {
    const cluster = context.cluster(named).alone();
    await requireKind(cluster, kind, parent);
    const row = requireObject(cluster.name, kind, await readKind(cluster, kind, parent), id);
    const { key, word } = kindOf(kind);
    if (row.state === 'deleted') {
      throw refused(
        cluster.name,
        'CONFLICT',
        `The ${word} ${quoted(id)} is deleted already, and not applied.`,
        'apply_sdn applies it.',
      );
    }
    const { users, unasked } = await usersOf(cluster, kind, id);
    if (users.length > 0) {
      const message = `The ${word} ${quoted(id)} is used by ${someOf(users)}.`;
      throw refused(cluster.name, 'CONFLICT', message, 'Change or delete these first.');
    }
    await cluster.request({ method: 'DELETE', path: sdnPath(kind, parent, String(row[key])) });
    const note = unasked > 0 ? `Whether ${unasked} guests use it could not be asked.` : undefined;
    return { ...selectionOf(cluster), kind, id, ...noted(note) };
  },
  summary({ cluster, kind, id, note }) {
    const { word, isApplied } = kindOf(kind as SdnKind);
    const next = isApplied ? ' apply_sdn takes it off the nodes.' : '';
    return `The ${word} ${quoted(id)} of ${cluster} was deleted.${next}${note ? ` ${note}` : ''}`;
  },
});

/** Where an object of a kind is named: by objects of another kind, in one of their settings. */
const USED_BY: Readonly<Partial<Record<SdnKind, readonly (readonly [SdnKind, string])[]>>> = {
  zone: [['vnet', 'zone']],
  controller: [['zone', 'controller']],
  ipam: [['zone', 'ipam']],
  dns: [
    ['zone', 'dns'],
    ['zone', 'reversedns'],
  ],
  fabric: [
    ['zone', 'fabric'],
    ['controller', 'fabric'],
  ],
};

async function usersOf(cluster: GatedCluster, kind: SdnKind, id: string) {
  if (kind === 'vnet') {
    const [subnets, guests] = await Promise.all([readKind(cluster, 'subnet', id), bridgeUsers(cluster, id)]);
    const near = subnets
      .filter(({ state }) => state !== 'deleted')
      .map((row) => `subnet ${nameOf('subnet', row)}`);
    return { users: [...near, ...guests.users], unasked: guests.unasked };
  }
  const lists = await Promise.all(
    (USED_BY[kind] ?? []).map(async ([by, setting]) => {
      const rows = await readKind(cluster, by);
      const { key, word } = kindOf(by);
      return rows
        .filter((row) => row.state !== 'deleted' && configured(row)[setting] === id)
        .map((row) => `${word} ${String(row[key])}`);
    }),
  );
  return { users: [...new Set(lists.flat())], unasked: 0 };
}
