import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json } from '../../catalogue/json.ts';
import { KINDS, nameOf, readKind, type SdnKind, shownObject } from './sdn-kinds.ts';

/** What waits for SDN to be applied. */
export interface PendingObject {
  kind: SdnKind;
  id: string;
  state: string;
  changes?: Record<string, unknown>;
}

const APPLIED = ['zone', 'vnet', 'controller'] as const;

export const PENDING_CALLS = [
  ...APPLIED.map((kind) => ['GET', KINDS[kind].path, 'pending'] as const),
  ['GET', KINDS.subnet.path, 'pending'],
  ['GET', KINDS.fabric.path, 'pending'],
  ['GET', KINDS.fabric_node.path, 'pending'],
] as const;

/** Everything that was prepared in SDN and is not applied yet. @throws CallError */
export async function pendingOf(cluster: GatedCluster): Promise<PendingObject[]> {
  const [lists, hasFabrics] = await Promise.all([
    Promise.all(APPLIED.map(async (kind) => ({ kind, rows: await readKind(cluster, kind) }))),
    cluster.catalogue().then((catalogue) => catalogue.get('GET', KINDS.fabric.path) !== undefined),
  ]);
  const vnets = lists.find(({ kind }) => kind === 'vnet')?.rows ?? [];
  const fabrics = hasFabrics ? await readKind(cluster, 'fabric') : [];
  const below = await Promise.all([
    ...vnets.filter(isThere).map((row) => childrenOf(cluster, 'subnet', String(row.vnet))),
    ...fabrics.filter(isThere).map((row) => childrenOf(cluster, 'fabric_node', String(row.id))),
  ]);
  return [...lists, { kind: 'fabric' as const, rows: fabrics }, ...below].flatMap(({ kind, rows }) =>
    rows.flatMap((row) => pendingObject(kind, row)),
  );
}

/** What is to be deleted, or was deleted below it, can't be asked for what it holds. */
function isThere({ state }: Json): boolean {
  return state !== 'deleted';
}

async function childrenOf(cluster: GatedCluster, kind: 'subnet' | 'fabric_node', parent: string) {
  return { kind, rows: await readKind(cluster, kind, parent) };
}

function pendingObject(kind: SdnKind, row: Json): PendingObject[] {
  const { state, pending } = row;
  if (typeof state !== 'string') return [];
  const { digest: _digest, ...changes } = isObject(pending) ? shownObject(pending) : {};
  return [{ kind, id: nameOf(kind, row), state, ...(Object.keys(changes).length === 0 ? {} : { changes }) }];
}
