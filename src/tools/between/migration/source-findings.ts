import { isTrue } from '../../../catalogue/json.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { textOf } from '../../results.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { deviceFindings, rootFindings } from './device-findings.ts';
import type { SourceFacts } from './source-facts.ts';

/** What keeps a guest in its cluster, or is to be known before it leaves. */
export function sourceFindings(source: SourceFacts, { restart }: { restart: boolean }): Finding[] {
  return [
    ...stateFindings(source, restart),
    ...tieFindings(source),
    ...deviceFindings(source),
    ...rootFindings(source),
    ...stayFindings(source),
    ...source.unread,
  ];
}

function stateFindings({ live, guest, snapshots }: SourceFacts, restart: boolean): Finding[] {
  const found: Finding[] = [];
  const { type, vmid } = guest.guest;
  if (live.lock !== undefined)
    found.push(
      blocks(
        `It is locked (${quoted(live.lock)}).`,
        'Wait for the task that holds it (list_tasks vmid); if none runs, qm/pct unlock on its node.',
      ),
    );
  if (type === 'lxc' && live.state === 'running' && !restart)
    found.push(
      blocks(
        `Container ${vmid} runs, and containers can't move live.`,
        'Pass restart=true: it is shut down, copied and started there. Or stop it first.',
      ),
    );
  if (live.state === 'paused')
    found.push(warns('It is paused.', 'Resume it first (power_guest), so that the verification can tell.'));
  if (snapshots !== undefined && snapshots.length > 0)
    found.push(
      blocks(
        `It has ${snapshots.length} snapshots, which can't go along: ${someOf(snapshots.map(quoted))}.`,
        'Delete them (delete_snapshot), or take it by backup (backup_guest_to_cluster).',
      ),
    );
  return found;
}

function tieFindings({ live, values, replication, clones, parts }: SourceFacts): Finding[] {
  const found: Finding[] = [];
  if (live.isHa)
    found.push(
      blocks(
        'HA manages it.',
        'Take it out of HA (delete_ha_resource); add it at the target after the move.',
      ),
    );
  if (replication !== undefined && replication.length > 0)
    found.push(
      blocks(
        `It is replicated by ${someOf(replication.map(quoted))}.`,
        'Delete these jobs first (delete_replication_job), and wait until they are gone.',
      ),
    );
  if (clones !== undefined && clones.length > 0)
    found.push(
      blocks(
        `Linked clones stand on its disks: ${someOf(clones.map(String))}.`,
        'Make them full (move_disk of each clone), or leave the template and clone it in full.',
      ),
    );
  else if (live.isTemplate)
    found.push(warns('It is a template.', 'It arrives as one; nothing can be started to verify it.'));
  const linked = parts.disks.filter(({ volid }) => /base-\d+-[^/]*\//.test(volid));
  if (linked.length > 0)
    found.push(
      warns(
        `It is a linked clone (${someOf(linked.map(({ key }) => key))}); whether Proxmox copies it whole is not known.`,
        'Make it full first: move_disk to another storage.',
      ),
    );
  if (isTrue(values.protection))
    found.push(
      warns(
        'It is protected.',
        'That holds for the copy as well; action=delete_source is refused until update_guest protection=false.',
      ),
    );
  return found;
}

/** What does not go along. */
function stayFindings(source: SourceFacts): Finding[] {
  const { guest, values } = source;
  const found: Finding[] = [];
  const { pool } = guest.guest;
  if (pool !== undefined)
    found.push(
      warns(
        `It leaves the pool ${quoted(pool)}; permissions given on it or on the guest stay behind.`,
        'save_pool and set_acl at the target, after the move.',
      ),
    );
  const jobs = jobsOf(source);
  if (jobs.length > 0)
    found.push(
      warns(
        `The backup jobs ${someOf(jobs.map(quoted))} cover it here, and nothing does there.`,
        'Put it into a job of the target (save_backup_job), and take it out here.',
      ),
    );
  const isFirewalled =
    source.parts.nics.length > 0 &&
    Object.entries(values).some(
      ([key, value]) => /^net\d+$/.test(key) && /(?:^|,)firewall=1(?:,|$)/.test(String(value)),
    );
  if (isFirewalled)
    found.push(
      warns(
        'Its NICs are behind the firewall: security groups, aliases and IP sets of this cluster do not go along.',
        'Compare with sync_definitions; look at its rules after the move (list_firewall_rules).',
      ),
    );
  if (isTrue(values.onboot))
    found.push(
      warns(
        'It starts with its node (onboot): the source, too, at the next boot.',
        'After the move: update_guest onboot=false on the source, or action=delete_source.',
      ),
    );
  return found;
}

/** The backup jobs that take this guest. */
function jobsOf({ jobs = [], guest }: SourceFacts): string[] {
  const { vmid, pool } = guest.guest;
  const lists = (value: unknown) =>
    String(value ?? '')
      .split(/[\s,;]+/)
      .includes(String(vmid));
  return jobs
    .filter((job) => {
      if (lists(job.exclude)) return false;
      return isTrue(job.all) || lists(job.vmid) || (pool !== undefined && job.pool === pool);
    })
    .flatMap(({ id }) => textOf(id) ?? []);
}
