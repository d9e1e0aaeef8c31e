import type { GatedCluster } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { inQuotes } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { failbackInput } from './failback-input.ts';
import { failoverInput } from './failover.ts';
import { isDone } from './job.ts';
import type { LeftOut } from './points.ts';

/** A guest on the fallback cluster that goes home. */
export interface Candidate {
  guest: GuestRow;
  /** VMID that it had at home, as the failover remembers it. */
  originalVmid: number | undefined;
}

interface Clusters {
  home: GatedCluster;
  away: GatedCluster;
}

/**
 * The guests that are meant: those that are named, or those that failovers of this caller brought over and that none
 * has brought home since.
 *
 * @param entries VMIDs and names on the fallback cluster
 * @throws CallError NOT_FOUND
 */
export async function candidatesOf(
  { home, away }: Clusters,
  entries: readonly string[] | undefined,
  context: ToolContext,
): Promise<{ candidates: Candidate[]; leftOut: LeftOut[] }> {
  const { guests } = await away.inventory({ fresh: true, signal: context.signal });
  const known = broughtOver(context.runs().list(), home.name, away.name);
  if (entries !== undefined) {
    const found = entries.map((entry) => ({ entry, guest: named(guests, entry) }));
    const missing = found.flatMap(({ entry, guest }) => (guest === undefined ? [inQuotes(entry)] : []));
    if (missing.length > 0) throw notThere(away.name, missing);
    const rows = [...new Set(found.flatMap(({ guest }) => guest ?? []))];
    return {
      candidates: rows.map((guest) => ({ guest, originalVmid: known.get(guest.vmid)?.vmid })),
      leftOut: [],
    };
  }
  if (known.size === 0) throw nothingKnown(home.name, away.name);
  const leftOut: LeftOut[] = [];
  const candidates = [...known].flatMap(([vmid, job]) => {
    const guest = guests.find((row) => row.vmid === vmid);
    if (
      guest !== undefined &&
      (job.name === undefined || guest.name === undefined || guest.name === job.name)
    ) {
      return [{ guest, originalVmid: job.vmid }];
    }
    leftOut.push({ vmid, name: job.name, why: `${away.name} has it no more under its VMID and name` });
    return [];
  });
  return { candidates, leftOut };
}

/** By VMID on the fallback: the newest failover that brought it there, unless it went home since. */
function broughtOver(runs: readonly Run[], home: string, away: string) {
  const found = new Map<number, { vmid: number; name?: string | undefined }>();
  const gone = new Set<number>();
  // Newest first.
  for (const run of runs) {
    const back = failbackInput.safeParse(run.input).data;
    if (back?.from === away && back.to === home && run.key.startsWith('failback ')) {
      for (const job of back.jobs) if (isDone(run, job, 'restore')) gone.add(job.vmid);
    }
    const over = failoverInput.safeParse(run.input).data;
    if (over?.from !== home || over.to !== away || !run.key.startsWith('failover ')) continue;
    for (const job of over.jobs) {
      const { targetVmid, vmid, name } = job;
      if (!isDone(run, job, 'restore') || gone.has(targetVmid) || found.has(targetVmid)) continue;
      found.set(targetVmid, { vmid, name });
    }
  }
  return found;
}

function named(guests: readonly GuestRow[], entry: string): GuestRow | undefined {
  return guests.find(({ vmid, nameLower }) => String(vmid) === entry || nameLower === entry.toLowerCase());
}

function notThere(away: string, missing: readonly string[]): CallError {
  return new CallError('NOT_FOUND', `${away} has no guest ${someOf(missing)}.`, {
    cluster: away,
    hint: 'find_guests shows what there is. Nothing was sent.',
  });
}

function nothingKnown(home: string, away: string): CallError {
  return new CallError(
    'NOT_FOUND',
    `No failover from ${home} to ${away} by this caller has guests that are not home again.`,
    {
      cluster: away,
      hint: `Name the \`guests\` of ${away} that are to go to ${home}. Nothing was sent.`,
    },
  );
}
