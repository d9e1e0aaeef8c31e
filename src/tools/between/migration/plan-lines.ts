import { formatEndpoint } from '../../../config/endpoint.ts';
import { quoted } from '../../../proxmox/text.ts';
import { count } from '../../results.ts';
import { inWords } from '../../size.ts';
import type { Journey } from './journey.ts';
import { mapWords } from './maps.ts';
import type { MovePlan } from './preflight.ts';
import type { Route } from './route.ts';
import type { SourceFacts } from './source-facts.ts';
import type { TargetFacts } from './target-facts.ts';

interface Told {
  source: SourceFacts;
  target: TargetFacts;
  journey: Journey;
  route: Route | undefined;
}

/** The move as a person reads it: what happens in order, what it costs, what stays. */
export function linesOf({ source, target, journey, route }: Told): string[] {
  const { guest, cluster } = source.guest;
  const { disks } = source.parts;
  const bytes = disks.reduce((sum, disk) => sum + (disk.bytes ?? 0), 0);
  const there = `${quoted(target.node)} of ${target.cluster.name}`;
  const limit =
    journey.bwlimit === undefined
      ? 'as fast as the link and the storages are'
      : `at most ${inWords(journey.bwlimit * 1024)} a second`;
  return [
    `1. ${quoted(guest.node)} of ${cluster.name} connects to ${there}${address(target)} and copies ${count(disks.length, 'disk')} (${inWords(bytes)}) and the configuration, ${limit}.`,
    `2. ${downtime(source)}`,
    `3. It is then ${journey.target_vmid} on ${there}${journey.runs ? ', running' : ', stopped'}, and is compared with what it was.`,
    `4. The source stays, stopped, with its disks; nothing is deleted here. That is a step of its own (action=delete_source). Never run both: they have the same MACs, addresses and name.`,
    `Storages: ${mapWords(journey.storage_map)}. Bridges: ${mapWords(journey.bridge_map)}.`,
    ...(route === undefined || route.found.length > 0 ? [] : [`Way of the data: ${route.words}.`]),
    'Where it fails or is cancelled, the source is as it was; what is left at the target is named.',
    'Proxmox calls migration to another cluster EXPERIMENTAL: have a backup.',
  ];
}

function address({ address: at }: TargetFacts): string {
  return at === undefined ? '' : ` at ${formatEndpoint(at)}`;
}

function downtime({ live, guest }: SourceFacts): string {
  if (live.state !== 'running' && live.state !== 'paused') return 'It is stopped, and stays so.';
  return guest.guest.type === 'qemu'
    ? 'It runs on meanwhile, and pauses for a moment at the end; its addresses have to be reachable in the network there.'
    : 'It is shut down first, and is down as long as the copy takes; then it starts there.';
}

/** What a person is shown before saying yes: the move, and all that was found. */
export function notesOf({ lines, findings }: Pick<MovePlan, 'lines' | 'findings'>): string[] {
  return [...lines, ...findings.map(({ what, do: advice }) => `${what} ${advice}`)];
}
