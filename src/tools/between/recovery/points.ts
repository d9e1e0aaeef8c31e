import type { GatedCluster } from '../../../access/gate.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { type SavedConfig, savedName } from '../../backups/guest-config.ts';
import type { ToolContext } from '../../define.ts';
import { pooled } from '../../pooled.ts';
import { type RestorePoint, savedConfigOf } from '../backup/restore-points.ts';
import { type Finding, warns } from '../finding.ts';
import type { KnownGuest } from './kept.ts';

/** Of one VMID: behind so many backups of somebody else, nobody looks further. */
const MOST_LOOKED_AT = 10;

/** A guest, and the backup that it comes back from. */
export interface Recoverable {
  guest: KnownGuest;
  point: RestorePoint;
  saved: SavedConfig;
  findings: Finding[];
}

/** A guest that does not come along, and why. */
export interface LeftOut {
  vmid: number;
  name?: string | undefined;
  why: string;
}

interface Asked {
  target: GatedCluster;
  /** What the target itself has: in one namespace its backups stand among those of the source. */
  own: readonly GuestRow[];
  /** Newest first. */
  points: readonly RestorePoint[];
}

/** Finds the newest backup of each guest that bears its name. */
export async function pointsOf(
  asked: Asked,
  guests: readonly KnownGuest[],
  context: ToolContext,
): Promise<{ found: Recoverable[]; leftOut: LeftOut[] }> {
  const byVmid = Map.groupBy(asked.points, ({ vmid }) => vmid);
  const results = await pooled(guests, async (guest): Promise<Recoverable | LeftOut> => {
    const points = byVmid.get(guest.vmid)?.filter(({ type }) => type === guest.type) ?? [];
    const isIts = (name: string | undefined) => guest.name === undefined || name === guest.name;
    const looked = await newestOf(asked, points, isIts, context);
    if (looked.match !== undefined) return { guest, ...looked.match, findings: looked.findings };
    return { vmid: guest.vmid, name: guest.name, why: whyNone(points.length, looked.others) };
  });
  return {
    found: results.filter((one): one is Recoverable => 'point' in one),
    leftOut: results.filter((one): one is LeftOut => 'why' in one),
  };
}

/** Finds whose backups there are, where nothing else tells which guests the cluster had. */
export async function guestsOfPoints(asked: Asked, context: ToolContext): Promise<Recoverable[]> {
  const groups = [...Map.groupBy(asked.points, ({ vmid }) => vmid)].sort(([a], [b]) => a - b);
  const results = await pooled(groups, async ([vmid, points]) => {
    const itself = asked.own.find((guest) => guest.vmid === vmid)?.name;
    const { match, findings } = await newestOf(
      asked,
      points,
      (name) => itself === undefined || name !== itself,
      context,
    );
    if (match === undefined) return [];
    const { point, saved } = match;
    const name = savedName(saved);
    const tags = (saved.options.tags ?? '')
      .toLowerCase()
      .split(/[;,\s]+/)
      .filter(Boolean);
    const guest: KnownGuest = { vmid, type: point.type, tags, ...(name === undefined ? {} : { name }) };
    return [{ guest, point, saved, findings }];
  });
  return results.flat();
}

interface Looked {
  match?: { point: RestorePoint; saved: SavedConfig };
  /** Names of other guests that backups of this VMID hold. */
  others: string[];
  findings: Finding[];
}

async function newestOf(
  { target }: Asked,
  points: readonly RestorePoint[],
  isIts: (name: string | undefined) => boolean,
  { signal }: ToolContext,
): Promise<Looked> {
  const others = new Set<string>();
  const findings: Finding[] = [];
  for (const point of points.slice(0, MOST_LOOKED_AT)) {
    if (point.verification === 'failed') {
      findings.push(skipped(point, 'its verification by PBS failed'));
      continue;
    }
    try {
      const saved = await savedConfigOf(target, point);
      if (isIts(savedName(saved))) return { match: { point, saved }, others: [...others], findings };
      others.add(savedName(saved) ?? 'a guest without a name');
    } catch (thrown) {
      signal.throwIfAborted();
      findings.push(skipped(point, `its configuration can't be read: ${toCallError(thrown).message}`));
    }
  }
  return { others: [...others], findings };
}

function skipped({ volid }: RestorePoint, why: string): Finding {
  return warns(`The newer backup ${quoted(volid)} was passed over: ${why}.`, 'verify_backups tells more.');
}

function whyNone(points: number, others: readonly string[]): string {
  if (points === 0) return 'no backup of it is seen';
  if (others.length === 0) return 'no backup of it can be used';
  return `the backups under its VMID are of ${others.map(quoted).join(', ')}; if that is an older name of it, restore it by restore_backup`;
}
