import type { GatedCluster } from '../../../access/gate.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { unfitting } from '../../refusals.ts';
import { count } from '../../results.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import type { FailoverArgs } from './args.ts';
import { isOverfull, type Room } from './capacity.ts';
import type { KnownGuest } from './kept.ts';
import type { PlannedGuest } from './plan.ts';
import type { Standing } from './standing.ts';

/** Two of one guest must never run: whoever starts the second one has to know that the first is down. */
export function standingFindings(
  source: Pick<GatedCluster, 'name'>,
  guests: readonly { guest: Pick<KnownGuest, 'vmid' | 'name'>; standing: Standing }[],
): Finding[] {
  const named = (standing: Standing) =>
    guests.filter((one) => one.standing === standing).map(({ guest }) => labelOf(guest));
  const running = named('running');
  const unknown = named('unknown');
  return [
    ...(running.length === 0
      ? []
      : [
          blocks(
            `${count(running.length, 'guest')} of ${source.name} still run${running.length === 1 ? 's' : ''}: ${someOf(running, 30)}.`,
            'Shut them down first (bulk_power): two of one guest must never run.',
          ),
        ]),
    ...(unknown.length === 0
      ? []
      : [
          warns(
            `Whether ${someOf(unknown, 30)} still run on ${source.name} is not known: it does not answer for them.`,
            `Make sure that the nodes of ${source.name} are fenced: off, or cut off from network and storage. Approving the failover says that they are. When they come back, guests with onboot start there by themselves.`,
          ),
        ]),
  ];
}

export function roomFindings({ storages }: Room): Finding[] {
  return storages
    .filter(isOverfull)
    .map(({ storage }) =>
      warns(
        `The disks together are larger than what ${quoted(storage)} has free.`,
        'It is thin: it may fit until they fill up. Make room, or pass another storage.',
      ),
    );
}

/** As a failback leaves a guest and its old original. */
export function namesakes(guests: readonly PlannedGuest[]): Finding[] {
  const groups = Map.groupBy(guests, ({ guest }) => guest.name);
  return [...groups].flatMap(([name, some]) =>
    name === undefined || some.length < 2
      ? []
      : [
          blocks(
            `${some.map(({ guest }) => guest.vmid).join(', ')} are all called ${quoted(name)}: which one is meant is not known.`,
            'Pass the VMIDs of the others in leave_out.',
          ),
        ],
  );
}

export function nothing(guests: readonly PlannedGuest[]): Finding[] {
  return guests.length > 0
    ? []
    : [blocks('No guest can be brought over.', 'Those that are left out say why.')];
}

/** `db-01 (102)`, as lists of guests name them. */
export function labelOf({ vmid, name }: { vmid: number; name?: string | undefined }): string {
  return name === undefined ? String(vmid) : `${quoted(name)} (${vmid})`;
}

export function noPools(source: string): CallError {
  return new CallError(
    'CONFLICT',
    `Which guests of ${source} are in which pool is not known: backups don't tell.`,
    {
      cluster: source,
      hint: 'A failover_plan that is made while the cluster answers remembers it. Now use `tag`, or leave `pool` out. Nothing was sent.',
      retryable: false,
    },
  );
}

export function noneMeant(source: string, { tag, pool }: FailoverArgs): CallError {
  const scope = [
    ...(tag === undefined ? [] : [`tag ${quoted(tag)}`]),
    ...(pool === undefined ? [] : [`pool ${quoted(pool)}`]),
  ];
  return new CallError(
    'NOT_FOUND',
    `No guest of ${source} fits${scope.length === 0 ? '' : `: ${scope.join(', ')}`}.`,
    {
      cluster: source,
      hint: 'find_guests shows what there is. Nothing was sent.',
    },
  );
}

export function tooMany(guests: number, most: number): CallError {
  return unfitting(`${guests} guests are meant, and one failover takes ${most}: narrow it by tag or pool`);
}
