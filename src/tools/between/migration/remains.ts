import type { GatedCluster } from '../../../access/gate.ts';
import { quoted } from '../../../proxmox/text.ts';
import { readConfig } from '../../guest-config.ts';
import type { LiveState } from '../../guest-live.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { partsOf } from './disks.ts';
import type { Journey } from './journey.ts';
import { tunnelOf } from './tunnel.ts';
import { arrived, isAsItWas, stateOf } from './verification.ts';

/** What a move that broke off has left on both sides. */
export interface Remains {
  /** At the target, where something is there under its VMID. */
  copy: { guest: GuestTarget; live: LiveState; isOurs: boolean } | undefined;
  /** The VM ran, and does no more: it may have gone on at the target, and what it wrote there is in the copy alone. */
  isOnlyOne: boolean;
  /** Whether the target said so. */
  isKnown: boolean;
  /** In whole sentences: how both sides are, and what to clean up. */
  lines: string[];
}

/**
 * Looks at both sides.
 *
 * @param begunAt when the move was begun, in epoch milliseconds
 */
export async function remainsOf(
  source: GuestTarget,
  to: GatedCluster,
  journey: Journey,
  begunAt: number,
): Promise<Remains> {
  const guest = arrived(to, journey);
  const [before, state] = await Promise.all([stateOf(source), stateOf(guest)]);
  const { target_vmid: vmid, target_node: node, type } = journey;
  const where = `${quoted(node)} of ${to.name}`;
  const lines = [
    'live' in before
      ? sourceLine(source, before.live)
      : `How the source is could not be read (${before.problem})`,
  ];
  if (!('live' in state)) {
    lines.push(
      state.isAbsent
        ? `At the target there is no guest ${vmid}; single volumes of it would be seen by list_storage_content vmid=${vmid}.`
        : `What is left at the target is not known (${state.problem}) Look for guest ${vmid} on ${where} once it answers, and repeat this call.`,
    );
    return { copy: undefined, isOnlyOne: false, isKnown: state.isAbsent, lines };
  }
  const { live } = state;
  const isOurs = await isCopy(guest, to, journey, begunAt, live.lock !== undefined);
  const tool = type === 'qemu' ? 'qm' : 'pct';
  const isHere = 'live' in before && (before.live.state === 'running' || before.live.state === 'paused');
  const isOnlyOne = type === 'qemu' && journey.runs && !isHere;
  if (!isOurs) lines.push(`Guest ${vmid} on ${where} is not known to come of this move: it is left alone.`);
  else if (live.lock !== undefined)
    lines.push(
      `The unfinished copy ${vmid} on ${where} is locked (${quoted(live.lock)}), and no API token may unlock it: there, as root, ${tool} unlock ${vmid}; then action=cancel removes it.`,
    );
  else if (isOnlyOne || live.state !== 'stopped')
    lines.push(
      `The copy ${vmid} on ${where} is ${live.state}, and may have gone on where the source ended: it is left alone. Compare both, never run both, and delete the one that is not used (delete_guest).`,
    );
  else lines.push(`The copy ${vmid} on ${where} is ${live.state}; action=cancel removes it.`);
  return { copy: { guest, live, isOurs }, isOnlyOne, isKnown: true, lines };
}

function sourceLine({ guest, cluster }: GuestTarget, { state, lock }: LiveState): string {
  const kind = guest.type === 'qemu' ? 'VM' : 'Container';
  const tool = guest.type === 'qemu' ? 'qm' : 'pct';
  const locked =
    lock === undefined
      ? ''
      : `, locked (${quoted(lock)}): where no task holds it, ${tool} unlock ${guest.vmid} on ${quoted(guest.node)}`;
  return `The source, ${kind} ${guest.vmid} of ${cluster.name}, is ${state}${locked}.`;
}

/**
 * A VMID alone tells nothing: the target's own task has to have worked on it since the move began, and it has to be the
 * source's, or nothing as yet. One that is locked is being made: what it has of a name and of MACs has to be the source's.
 */
async function isCopy(
  guest: GuestTarget,
  to: GatedCluster,
  journey: Journey,
  begunAt: number,
  isLocked: boolean,
): Promise<boolean> {
  try {
    const [tunnel, { values }] = await Promise.all([tunnelOf(to, journey, begunAt), readConfig(guest)]);
    if (!isLocked) return tunnel !== undefined && (isBlank(values) || isAsItWas(values, journey));
    const name = values.name ?? values.hostname;
    const macs = partsOf(values).nics.flatMap(({ mac }) => mac ?? []);
    const own = Object.values(journey.expect.nics);
    const isNamed = name === undefined || journey.name === undefined || name === journey.name;
    return tunnel !== undefined && isNamed && macs.every((mac) => own.includes(mac));
  } catch {
    return false;
  }
}

/** What Proxmox reserves a VMID with; whoever makes a guest there sets something. */
function isBlank(values: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(values).every((key) => key === 'digest' || key === 'lock');
}
