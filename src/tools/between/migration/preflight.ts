import type { GatedCluster } from '../../../access/gate.ts';
import { CallError } from '../../../proxmox/errors.ts';
import type { ApiCall, ToolContext } from '../../define.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { compact } from '../../results.ts';
import { type Finding, sorted } from '../finding.ts';
import { bridgeMap } from './bridge-map.ts';
import { mappingsOf } from './device-findings.ts';
import type { Journey } from './journey.ts';
import { mapText, type NameMap } from './maps.ts';
import { linesOf } from './plan-lines.ts';
import { rightFindings } from './rights.ts';
import { routeOf } from './route.ts';
import { readSource, SOURCE_CALLS, type SourceFacts } from './source-facts.ts';
import { sourceFindings } from './source-findings.ts';
import { storageMap } from './storage-map.ts';
import { readTarget, TARGET_CALLS, type TargetFacts } from './target-facts.ts';
import { targetFindings } from './target-findings.ts';

export const PREFLIGHT_CALLS: readonly ApiCall[] = [...SOURCE_CALLS, ...TARGET_CALLS];

export interface MoveWish {
  target_node?: string | undefined;
  target_vmid?: number | undefined;
  storage_map?: NameMap | undefined;
  bridge_map?: NameMap | undefined;
  bwlimit_kib_s?: number | undefined;
  restart?: boolean | undefined;
}

/** How a guest would go, and all that was found. */
export interface MovePlan {
  findings: readonly Finding[];
  journey: Journey;
  /** What happens, in order. */
  lines: readonly string[];
}

/** Keys of a configuration that are the same on both sides. */
const KEPT = [
  'name',
  'hostname',
  'cores',
  'sockets',
  'cpu',
  'memory',
  'balloon',
  'swap',
  'ostype',
  'bios',
  'scsihw',
  'boot',
];

/**
 * Looks at both sides, and finds everything at once. Sends nothing but reads.
 *
 * @throws CallError where the guest or the target can't be read; INVALID_ARGUMENTS where both clusters are the same
 */
export async function preflight(
  guest: GuestTarget,
  to: GatedCluster,
  wish: MoveWish,
  context: ToolContext,
): Promise<MovePlan> {
  if (guest.cluster.name === to.name) {
    throw new CallError('INVALID_ARGUMENTS', `The guest is in ${to.name} already.`, {
      cluster: to.name,
      hint: 'migrate_guest moves it to another node of its cluster. Nothing was sent.',
    });
  }
  const source = await readSource(guest, context);
  const target = await readTarget(
    to,
    {
      node: wish.target_node,
      vmid: wish.target_vmid,
      sourceVmid: guest.guest.vmid,
      isVm: guest.guest.type === 'qemu',
      hasMappings: mappingsOf(source.values).length > 0,
    },
    context,
  );
  const content = guest.guest.type === 'qemu' ? 'images' : 'rootdir';
  const storages = storageMap(source.parts, target, wish.storage_map, content);
  const bridges = bridgeMap(source.parts, target, wish.bridge_map);
  const maps = { storages: storages.map, bridges: bridges.map };
  const route = target.address && routeOf(guest.guest.node, target.address, source.networks);
  const findings = sorted([
    ...sourceFindings(source, { restart: wish.restart === true }),
    ...targetFindings(source, target),
    ...storages.found,
    ...bridges.found,
    ...(route?.found ?? []),
    ...(await rightFindings(source, target, maps)),
  ]);
  const journey = journeyFor(source, target, maps, wish);
  const lines = linesOf({ source, target, journey, route });
  return { findings, journey, lines };
}

function journeyFor(
  { guest, live, values, parts, agentAnswers }: SourceFacts,
  target: TargetFacts,
  { storages, bridges }: { storages: NameMap; bridges: NameMap },
  wish: MoveWish,
): Journey {
  const { type, node, name } = guest.guest;
  const anyRoom = target.rooms?.find(({ isUsable }) => isUsable)?.storage ?? 'local';
  const options = KEPT.flatMap((key) => (values[key] === undefined ? [] : [[key, String(values[key])]]));
  return {
    type,
    node,
    ...compact({ name, bwlimit: wish.bwlimit_kib_s }),
    to: target.cluster.name,
    target_node: target.node,
    target_vmid: target.vmid,
    storage_map: storages,
    bridge_map: bridges,
    target_storage: mapText(storages, anyRoom),
    target_bridge: mapText(bridges),
    runs: live.state === 'running' || live.state === 'paused',
    expect: {
      agent: agentAnswers,
      options: Object.fromEntries(options),
      disks: parts.disks.map(({ key }) => key),
      nics: Object.fromEntries(parts.nics.map(({ key, mac }) => [key, mac ?? ''])),
    },
  };
}
