import { z } from 'zod';
import { quoted } from '../../../proxmox/text.ts';
import { compact, count, isoTime } from '../../results.ts';
import { inWords } from '../../size.ts';
import { findingRows } from '../finding.ts';
import type { NodeRoom, StorageRoom } from './capacity.ts';
import type { Failover, PlannedGuest } from './plan.ts';
import { labelOf } from './plan-findings.ts';
import type { LeftOut } from './points.ts';

const HOUR_MS = 3_600_000;
/** Of guests in one answer. */
const PAGE = 50;
const MOST_LEFT_OUT = 100;

const guestRow = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  order: z.int().optional(),
  up_seconds: z.int().optional(),
  start: z.boolean(),
  source_state: z.enum(['running', 'stopped', 'gone', 'unknown']),
  volid: z.string(),
  made_at: z.string(),
  age_hours: z.number(),
  size_bytes: z.number().optional(),
  target_vmid: z.int(),
  target_node: z.string(),
  target_storage: z.string().optional(),
  bridges: z.record(z.string(), z.string()).optional(),
  cores: z.int(),
  memory_bytes: z.int(),
  disk_bytes: z.int().optional(),
  findings: z.array(z.string()).optional(),
});

const leftOutRow = z.object({ vmid: z.int(), name: z.string().optional(), why: z.string() });

const capacity = z.object({
  nodes: z.array(
    z.object({
      node: z.string(),
      cpus: z.number().optional(),
      vcpus: z.number(),
      vcpus_after: z.number(),
      free_bytes: z.number().optional(),
      free_bytes_after: z.number().optional(),
    }),
  ),
  storages: z.array(
    z.object({
      storage: z.string(),
      node: z.string().optional(),
      free_bytes: z.number().optional(),
      free_bytes_after: z.number().optional(),
    }),
  ),
});

/** What a plan tells, in the answers of failover_plan and of a dry run. */
export const planFields = {
  source_answers: z.boolean(),
  known_as_of: z.string().optional().describe('Of the list of guests; absent: backups alone tell.'),
  guests: z.array(guestRow).describe('In their order.'),
  total: z.int(),
  next_offset: z.int().optional(),
  left_out: z.array(leftOutRow),
  left_out_total: z.int().optional(),
  data_loss: z
    .object({ worst_hours: z.number(), median_hours: z.number(), worst_guest: z.string() })
    .optional(),
  capacity,
  findings: findingRows,
};

type Shown = z.output<z.ZodObject<typeof planFields>>;

export function shownPlan(plan: Failover, offset: number): Shown {
  const { guests, leftOut, view, room, findings } = plan;
  const page = guests.slice(offset, offset + PAGE);
  const next = offset + page.length;
  const loss = lossOf(guests);
  return {
    source_answers: view.live !== undefined,
    ...(view.asOf === undefined ? {} : { known_as_of: isoTime(view.asOf) }),
    guests: page.map(shownGuest),
    total: guests.length,
    ...(next < guests.length ? { next_offset: next } : {}),
    left_out: leftOut.slice(0, MOST_LEFT_OUT).map(shownLeftOut),
    ...(leftOut.length > MOST_LEFT_OUT ? { left_out_total: leftOut.length } : {}),
    ...(loss === undefined
      ? {}
      : {
          data_loss: {
            worst_hours: hours(loss.worstMs),
            median_hours: hours(loss.medianMs),
            worst_guest: labelOf(loss.worst.guest),
          },
        }),
    capacity: { nodes: room.nodes.map(shownNode), storages: room.storages.map(shownStorage) },
    findings,
  };
}

export function shownLeftOut({ vmid, name, why }: LeftOut): z.output<typeof leftOutRow> {
  return { vmid, ...compact({ name }), why };
}

function shownGuest(one: PlannedGuest): z.output<typeof guestRow> {
  const { guest, startup, point, restore, findings } = one;
  const notes = findings.map(({ what, do: advice }) => `${what} ${advice}`);
  return {
    vmid: guest.vmid,
    ...compact({ name: guest.name }),
    type: point.type,
    ...compact({ order: startup.order, up_seconds: startup.upSeconds }),
    start: one.starts,
    source_state: one.standing,
    volid: point.volid,
    made_at: isoTime(point.madeAt),
    age_hours: hours(one.ageMs),
    ...compact({ size_bytes: point.bytes }),
    target_vmid: restore.guest.vmid,
    target_node: restore.guest.node,
    ...compact({ target_storage: restore.storage }),
    ...(Object.keys(restore.bridges).length === 0 ? {} : { bridges: restore.bridges }),
    cores: one.cores,
    memory_bytes: one.memBytes,
    ...compact({ disk_bytes: restore.bytes }),
    ...(notes.length === 0 ? {} : { findings: notes }),
  };
}

function shownNode({ node, cpus, vcpus, vcpusBefore, freeBytes, freeBytesBefore }: NodeRoom) {
  const sizes = { free_bytes: freeBytesBefore, free_bytes_after: freeBytes };
  return { node, ...compact({ cpus }), vcpus: vcpusBefore, vcpus_after: vcpus, ...compact(sizes) };
}

function shownStorage({ storage, node, freeBytes, freeBytesBefore }: StorageRoom) {
  return { storage, ...compact({ node, free_bytes: freeBytesBefore, free_bytes_after: freeBytes }) };
}

interface Loss {
  worst: PlannedGuest;
  worstMs: number;
  medianMs: number;
}

function lossOf(guests: readonly PlannedGuest[]): Loss | undefined {
  const byAge = guests.toSorted((a, b) => a.ageMs - b.ageMs);
  const worst = byAge.at(-1);
  const upper = byAge[Math.floor(byAge.length / 2)];
  const lower = byAge[Math.floor((byAge.length - 1) / 2)];
  if (worst === undefined || upper === undefined || lower === undefined) return undefined;
  return { worst, worstMs: worst.ageMs, medianMs: (lower.ageMs + upper.ageMs) / 2 };
}

function hours(milliseconds: number): number {
  return Math.round((milliseconds / HOUR_MS) * 10) / 10;
}

/** `23.5 hours`, `40 minutes`, `8.2 days`: how old a backup is. */
export function ageInWords(milliseconds: number): string {
  if (milliseconds < HOUR_MS) return count(Math.round(milliseconds / 60_000), 'minute');
  const [size, unit] = milliseconds < 48 * HOUR_MS ? [HOUR_MS, 'hours'] : [24 * HOUR_MS, 'days'];
  return `${Math.round((milliseconds / size) * 10) / 10} ${unit}`;
}

/** What is lost, as a sentence. */
function lossInWords(guests: readonly PlannedGuest[]): string | undefined {
  const loss = lossOf(guests);
  if (loss === undefined) return undefined;
  const { worst, worstMs, medianMs } = loss;
  return `Lost is what the guests wrote since their backups: ${ageInWords(worstMs)} at worst (${labelOf(worst.guest)}), ${ageInWords(medianMs)} in the median.`;
}

/** What a person reads before saying yes: who comes back in which order and from when, and what does not. */
export function notesOf({ source, target, guests, leftOut, findings, view }: Failover): string[] {
  const asOf =
    view.asOf === undefined ? [] : [`The list of guests of ${source.name} is of ${isoTime(view.asOf)}.`];
  return [
    `Failover of ${source.name} to ${target.name}: ${count(guests.length, 'guest')}, one after the other in this order.`,
    ...guests.map(guestLine),
    ...[lossInWords(guests)].filter((text) => text !== undefined),
    ...leftOut.map((one) => `Does not come along: ${labelOf(one)}: ${one.why}.`),
    'Pools, permissions, HA, replication, snapshots and the backup jobs of the guests do not come along; MAC addresses are new.',
    ...findings.map(({ what, do: advice }) => `${what} ${advice}`),
    ...(view.live === undefined ? asOf : []),
  ];
}

function guestLine(
  { guest, point, ageMs, restore, starts, startup, findings }: PlannedGuest,
  index: number,
): string {
  const { vmid, node } = restore.guest;
  const bridges = Object.entries(restore.bridges).map(([from, to]) =>
    from === to ? to : `${from} becomes ${to}`,
  );
  const network = bridges.length === 0 ? '' : `, ${bridges.join(', ')}`;
  const size = point.bytes === undefined ? '' : `, ${inWords(point.bytes)}`;
  const up = startup.upSeconds ? `, and the next one waits ${startup.upSeconds} s` : '';
  const fate = starts ? `then it is started${up}` : 'it stays stopped';
  const beware = findings.map(({ what }) => ` ${what}`).join('');
  return `${index + 1}. ${labelOf(guest)}: from the backup of ${isoTime(point.madeAt)} (${ageInWords(ageMs)} old${size}) to ${vmid} on ${quoted(node)}, storage ${quoted(restore.storage ?? '')}${network}; ${fate}.${beware}`;
}
