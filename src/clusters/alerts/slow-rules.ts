import { type Json, text } from '../../catalogue/json.ts';
import type { AlertConfig } from '../../config/config.ts';
import type { EndpointState } from '../../proxmox/endpoint-state.ts';
import { cleanText, inQuotes, quoted } from '../../proxmox/text.ts';
import type { Backups, GuestRow } from '../inventory.ts';
import type { Finding } from './alert.ts';
import { expiring } from './rules.ts';
import { timeText } from './texts.ts';

const DAY_MS = 86_400_000;
/** A failed backup of several guests is spoken of for so long: the list of tasks does not tell which job it was. */
const JOB_FAILURE_MS = DAY_MS;
/** How far back a failed backup of one guest is looked for, where none has succeeded since. */
export const BACKUPS_BACK_MS = 7 * DAY_MS;
/** Guests of one cluster whose backups are too old; what is beyond is counted in one alert. */
const MOST_GUESTS = 100;
/** Of what Proxmox says about a failure, in characters. */
const MOST_REASON = 200;

type Days = Pick<AlertConfig, 'certificateDays' | 'tokenDays' | 'backupAgeDays'>;

/** @param byNode the rows of `GET /nodes/{node}/certificates/info` */
export function certificateFindings(
  cluster: string,
  byNode: ReadonlyMap<string, readonly Json[]>,
  endpoints: readonly EndpointState[],
  { certificateDays: days }: Days,
  now: number,
): Finding[] {
  const ends = new Set<number>();
  const findings: Finding[] = [];
  for (const [node, rows] of byNode) {
    for (const { filename, notafter } of rows) {
      const at = Number(notafter) * 1000;
      const subject = `certificate ${quoted(text(filename) ?? 'unnamed')} on ${quoted(node)}`;
      const found = expiring(
        { kind: 'certificate_expiring', cluster, subject, node },
        { at, days, now },
        (when) =>
          `The ${subject} of ${cluster} ${when}. Renew it: pvecm updatecerts --force on the node makes new ones of the ` +
          'cluster’s own; one that was ordered or uploaded is ordered or uploaded anew. Pinned fingerprints change with it.',
      );
      if (found === undefined) continue;
      ends.add(at);
      findings.push(found);
    }
  }
  for (const { endpoint, certificateExpiresAt: at } of endpoints) {
    // A node's own has been spoken of; what is left is that of a proxy, or of a node that was not asked.
    if (at === undefined || ends.has(at)) continue;
    const subject = `certificate at ${endpoint}`;
    const found = expiring(
      { kind: 'certificate_expiring', cluster, subject },
      { at, days, now },
      (when) =>
        `The ${subject} of ${cluster} ${when}. Renew it there, and change the pinned fingerprint with it.`,
    );
    if (found !== undefined) findings.push(found);
  }
  return findings;
}

/** @param tasks rows of `GET /nodes/{node}/tasks` for vzdump, of all nodes: a guest may have moved since */
export function backupFindings(cluster: string, tasks: readonly Json[], now: number): Finding[] {
  const findings = new Map<string, Finding>();
  const spokenOf = new Set<string>();
  const ended = tasks.filter(({ endtime }) => endtime !== undefined);
  for (const task of ended.toSorted((one, other) => Number(other.starttime) - Number(one.starttime))) {
    const guest = text(task.id) ?? '';
    // The newest says how it stands with a guest; each failure of a job stands for itself.
    if (guest !== '' && spokenOf.has(guest)) continue;
    spokenOf.add(guest);
    const finding = isGood(text(task.status)) ? undefined : failedBackup(cluster, guest, task, now);
    if (finding !== undefined && !findings.has(finding.subject)) findings.set(finding.subject, finding);
  }
  return [...findings.values()];
}

function failedBackup(cluster: string, guest: string, task: Json, now: number): Finding | undefined {
  const endedAt = Number(task.endtime) * 1000;
  if (now - endedAt > (guest === '' ? JOB_FAILURE_MS : BACKUPS_BACK_MS)) return undefined;
  const node = text(task.node) ?? '';
  const what =
    guest === '' ? `backup of several guests on ${quoted(node)}` : `backup of guest ${quoted(guest)}`;
  const why = cleanText(text(task.status) ?? 'no status').slice(0, MOST_REASON);
  return {
    kind: 'backup_failed',
    severity: 'warning',
    cluster,
    subject: what,
    node,
    message:
      `The ${what} in ${cluster} failed at ${timeText(endedAt)}: ${inQuotes(why, MOST_REASON)}. Read the log of its task ` +
      `(${inQuotes(text(task.upid) ?? '', MOST_REASON)}), mend the cause and back up again.`,
  };
}

function isGood(status: string | undefined): boolean {
  return status === 'OK' || status?.startsWith('WARNINGS') === true;
}

/** @param guests those of the inventory; templates and guests of which nothing is known are left out */
export function backupAgeFindings(
  cluster: string,
  guests: readonly GuestRow[],
  { newest, hidden }: Backups,
  { backupAgeDays: days }: Days,
  now: number,
): Finding[] {
  const old = guests
    .filter(({ vmid, template }) => !template && !hidden?.has(vmid))
    .filter(({ vmid }) => now - (newest.get(vmid) ?? 0) > days * DAY_MS)
    .sort((a, b) => a.vmid - b.vmid);
  const one = ({ vmid, name, node }: GuestRow): Finding => {
    const madeAt = newest.get(vmid);
    const called = name === undefined ? '' : ` (${quoted(name)})`;
    const state = madeAt === undefined ? 'has no backup' : `was last backed up at ${timeText(madeAt)}`;
    return {
      kind: 'backup_old',
      severity: 'warning',
      cluster,
      subject: `guest ${vmid}`,
      node,
      message: `The guest ${vmid}${called} of ${cluster} ${state}; ${days} days are the limit. Back it up, or add it to a backup job.`,
    };
  };
  const left = old.length - MOST_GUESTS;
  const rest: Finding = {
    kind: 'backup_old',
    severity: 'warning',
    cluster,
    subject: 'further guests',
    message: `${left} further guests of ${cluster} have no backup of the last ${days} days. Look through the backup jobs.`,
  };
  return [...old.slice(0, MOST_GUESTS).map(one), ...(left > 0 ? [rest] : [])];
}

/** @param expire epoch seconds; 0 for never */
export function tokenFindings(
  cluster: string,
  token: string,
  expire: number,
  { tokenDays: days }: Days,
  now: number,
): Finding[] {
  if (expire === 0) return [];
  const about = { kind: 'token_expiring', cluster, subject: `API token ${token}` } as const;
  const found = expiring(
    about,
    { at: expire * 1000, days, now },
    (when) =>
      `The API token ${token}, with which this service reaches ${cluster}, ${when}: after that nothing works there. ` +
      `Set another end on a node: pveum user token modify ${token.replace('!', ' ')} --expire 0, or make a new token and configure that.`,
  );
  return found === undefined ? [] : [found];
}
