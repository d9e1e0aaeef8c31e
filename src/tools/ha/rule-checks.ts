import type { GatedCluster } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import type { Inventory } from '../../clusters/inventory.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { itemsOf } from './ha.ts';
import type { RuleArgs } from './save-ha-rule.ts';

/** What a rule is before the change, and the guests it is to have, where they are given. */
interface Wanted {
  known: Json | undefined;
  sids: readonly string[] | undefined;
}

/**
 * Refuses a rule that Proxmox would refuse, or take and never act by.
 *
 * @returns its type
 * @throws CallError INVALID_ARGUMENTS or NOT_FOUND
 */
export function checkRule(
  cluster: GatedCluster,
  args: RuleArgs,
  inventory: Inventory,
  { known, sids }: Wanted,
): string {
  const type = args.type ?? (known === undefined ? undefined : String(known.type));
  const wrong = wrongWith(args, type, { known, sids }, inventory);
  if (wrong !== undefined) throw refusal(cluster, wrong);
  requireNodes(cluster, args.nodes, inventory);
  return String(type);
}

function wrongWith(
  { failback, nodes, strict, affinity }: RuleArgs,
  type: string | undefined,
  { known, sids }: Wanted,
  inventory: Inventory,
): string | undefined {
  if (type === undefined) return 'A new rule needs a `type`';
  if (known !== undefined && type !== known.type)
    return `The rule is of type ${String(known.type)}, which is fixed`;
  if (failback !== undefined) return 'Failing back is a matter of the guest since 9.0: see save_ha_resource';
  const guests = sids ?? itemsOf(known?.resources);
  if (guests.length === 0) return 'A new rule needs `guests`';
  if (type === 'node-affinity') {
    if (affinity !== undefined) return '`affinity` belongs to resource-affinity';
    return nodes === undefined && known === undefined ? 'A node-affinity rule needs `nodes`' : undefined;
  }
  if (nodes !== undefined || strict !== undefined) return '`nodes` and `strict` belong to node-affinity';
  const kind = affinity ?? known?.affinity;
  if (kind === undefined) return 'A resource-affinity rule needs `affinity`';
  if (guests.length < 2) return 'A resource-affinity rule needs two guests at least';
  const places = inventory.nodes.length;
  if (kind === 'negative' && places > 0 && guests.length > places) {
    return `${guests.length} guests can't be kept apart on ${places} nodes`;
  }
  return undefined;
}

/** The same for a group of 8.x. @throws CallError INVALID_ARGUMENTS or NOT_FOUND */
export function checkGroup(
  cluster: GatedCluster,
  { type, guests, nodes, affinity, enabled }: RuleArgs,
  inventory: Inventory,
  known: Json | undefined,
): void {
  if (type === 'resource-affinity' || affinity !== undefined || enabled !== undefined) {
    throw refusal(
      cluster,
      `resource-affinity, affinity and enabled need Proxmox VE 9.0; ${cluster.name} has groups of nodes`,
    );
  }
  if (guests !== undefined) {
    throw refusal(
      cluster,
      `${cluster.name} has groups of nodes: put guests in with save_ha_resource and \`group\``,
    );
  }
  if (nodes === undefined && known === undefined) throw refusal(cluster, 'A new group needs `nodes`');
  requireNodes(cluster, nodes, inventory);
}

function requireNodes(
  cluster: GatedCluster,
  wanted: readonly string[] | undefined,
  { nodes }: Inventory,
): void {
  // A token with too few rights sees no nodes at all: then Proxmox itself judges.
  if (wanted === undefined || nodes.length === 0) return;
  const names = nodes.map(({ node }) => node);
  const unknown = wanted.map((item) => item.split(':')[0] ?? '').filter((node) => !names.includes(node));
  if (unknown.length === 0) return;
  throw new CallError('NOT_FOUND', `${cluster.name} has no node ${someOf(unknown.map(quoted))}.`, {
    cluster: cluster.name,
    hint: `It has ${someOf(names.map(quoted).sort(), 30)}. Nothing was sent.`,
  });
}

function refusal(cluster: GatedCluster, message: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `${message}.`, {
    cluster: cluster.name,
    hint: 'Correct the arguments; list_ha_rules shows what there is. Nothing was sent.',
  });
}
