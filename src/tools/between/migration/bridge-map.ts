import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { portsOf } from '../../network/interfaces.ts';
import { textOf } from '../../results.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { bridgesOf, type Nic, type Parts } from './disks.ts';
import { type Mapped, type NameMap, strangers } from './maps.ts';
import type { TargetFacts } from './target-facts.ts';

/** Which bridge or VNet takes the place of each; the networks behind them are for a person to compare. */
export function bridgeMap({ nics }: Parts, target: TargetFacts, given: NameMap = {}): Mapped {
  const { cluster, node } = target;
  const used = bridgesOf({ nics });
  const found = strangers(given, used, 'bridge_map', 'bridge');
  const known = bridgesAt(target);
  const map: Record<string, string> = {};
  const where = `${quoted(node)} of ${cluster.name}`;
  const offer = `It has: ${someOf(known ?? []) || 'none that is seen'}.`;
  for (const source of used) {
    const proposed =
      known?.includes(source) === false ? fallbackBridge(known, cluster.settings.defaultBridge) : source;
    const chosen = given[source] ?? proposed;
    if (chosen === undefined)
      found.push(
        blocks(`${where} has no bridge for ${quoted(source)}.`, `Make one (save_network). ${offer}`),
      );
    else {
      map[source] = chosen;
      if (known === undefined)
        found.push(warns(`Whether ${where} has ${quoted(chosen)} is not known.`, 'Look at its networks.'));
      else if (!known.includes(chosen))
        found.push(
          blocks(`${where} has no bridge or VNet ${quoted(chosen)}.`, `Pass another in bridge_map. ${offer}`),
        );
      else if (given[source] === undefined && chosen !== source)
        found.push(
          warns(
            `${where} has no ${quoted(source)}: ${quoted(chosen)} is proposed.`,
            'See that it is the network that the guest belongs to, or pass bridge_map.',
          ),
        );
    }
  }
  return { map, found: [...found, ...vlanFindings(nics, map, target)] };
}

/** The bridges and VNets of a node; undefined where its network is not known. */
function bridgesAt({ networks, vnets }: TargetFacts): string[] | undefined {
  if (networks === undefined) return undefined;
  const bridges = networks
    .filter(({ type }) => /bridge$/i.test(String(type)))
    .flatMap(({ iface }) => textOf(iface) ?? []);
  return [...new Set([...bridges, ...(vnets ?? []).flatMap(({ vnet }) => textOf(vnet) ?? [])])];
}

function fallbackBridge(known: readonly string[], preferred: string | undefined): string | undefined {
  return [preferred, 'vmbr0', known[0]].find((name) => name !== undefined && known.includes(name));
}

function vlanFindings(nics: readonly Nic[], map: NameMap, { networks = [], node }: TargetFacts): Finding[] {
  return nics.flatMap(({ key, bridge = '', tag, trunks }) => {
    const row = networks.find(({ iface }) => iface === map[bridge]);
    if (row === undefined || (tag === undefined && trunks === undefined)) return [];
    const aware = Number(row.bridge_vlan_aware ?? 0) === 1 || String(row.type).startsWith('OVS');
    const name = quoted(String(row.iface));
    const found: Finding[] = [];
    if (trunks !== undefined && !aware)
      found.push(
        blocks(
          `${key} carries the VLANs ${quoted(trunks)}, and ${name} of ${quoted(node)} is not VLAN-aware.`,
          'Make the bridge VLAN-aware (save_network), or map it to one that is.',
        ),
      );
    if (tag !== undefined && aware && !inRanges(tag, textOf(row.bridge_vids)))
      found.push(
        blocks(
          `${key} is in VLAN ${tag}, which ${name} of ${quoted(node)} does not carry.`,
          'Add it to the bridge (save_network vids), or map to another.',
        ),
      );
    if (tag !== undefined && portsOf(row).length === 0)
      found.push(
        warns(
          `${key} is in VLAN ${tag}, and ${name} of ${quoted(node)} has no port to the outside.`,
          'See that the VLAN gets there.',
        ),
      );
    return found;
  });
}

/** @param ranges as `2-100 200`; absent: all */
function inRanges(tag: number, ranges: string | undefined): boolean {
  if (ranges === undefined) return true;
  return ranges.split(/[\s,;]+/).some((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return tag >= from && tag <= to;
  });
}
