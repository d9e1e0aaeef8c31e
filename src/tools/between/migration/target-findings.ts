import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { readProperties } from '../../property-string.ts';
import { textOf } from '../../results.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { cpuFindings } from './cpu.ts';
import { mappingsOf } from './device-findings.ts';
import type { SourceFacts } from './source-facts.ts';
import type { TargetFacts } from './target-facts.ts';

/** What keeps a guest from running where it is to go, or is to be known before; maps, rights and the way apart. */
export function targetFindings(source: SourceFacts, target: TargetFacts): Finding[] {
  return [
    ...clusterFindings(source, target),
    ...versionFindings(source, target),
    ...(source.guest.guest.type === 'qemu' ? vmFindings(source, target) : []),
    ...target.found,
  ];
}

function clusterFindings({ guest }: SourceFacts, { cluster, guests }: TargetFacts): Finding[] {
  const found: Finding[] = [];
  for (const one of [guest.cluster, cluster]) {
    if (one.settings.readOnly)
      found.push(blocks(`${one.name} is configured read_only.`, 'The operator would have to lift it.'));
  }
  const { name } = guest.guest;
  const double = guests.find((row) => name !== undefined && row.nameLower === name.toLowerCase());
  if (double !== undefined)
    found.push(
      blocks(
        `${cluster.name} has a guest ${quoted(name ?? '')} already: ${double.vmid} on ${quoted(double.node)}.`,
        'Rename one of them (update_guest new_name); nobody could tell them apart by name.',
      ),
    );
  return found;
}

function versionFindings(
  { release: here, live }: SourceFacts,
  { release: there, cluster }: TargetFacts,
): Finding[] {
  const [own, other] = [here, there].map((version) =>
    /^(\d+)\.(\d+)/
      .exec(version ?? '')
      ?.slice(1)
      .map(Number),
  );
  if (own === undefined || other === undefined) return [];
  const [major = 0, minor = 0] = own;
  const [otherMajor = 0, otherMinor = 0] = other;
  const what = `${cluster.name} has Proxmox VE ${there}, which is older than the ${here} here.`;
  if (otherMajor < major) {
    const find = live.state === 'running' ? blocks : warns;
    return [find(what, 'Upgrade it first. A stopped guest may go, where its options exist there.')];
  }
  return otherMajor === major && otherMinor < minor
    ? [warns(what, 'Upgrade it first, or be ready for a start that fails.')]
    : [];
}

function vmFindings({ values, live, cpu }: SourceFacts, target: TargetFacts): Finding[] {
  const place = `${quoted(target.node)} of ${target.cluster.name}`;
  const isRunning = live.state === 'running' || live.state === 'paused';
  const found = cpuFindings({
    wanted: textOf(values.cpu),
    isRunning,
    here: cpu,
    there: target.cpu,
    models: target.models,
    place,
  });
  const pinned = readProperties(textOf(values.machine) ?? '').lead;
  const running = isRunning ? textOf(live.row['running-machine']) : undefined;
  for (const machine of new Set([pinned, running])) {
    // q35 and pc alone mean the newest there is; +pve0 is Proxmox's own count.
    const plain = machine?.replace(/\+pve\d+$/, '');
    if (plain === undefined || !/\d/.test(plain.replace(/^(?:pc-)?(?:q35|i440fx)/, ''))) continue;
    if (target.machines === undefined)
      found.push(
        warns(
          `Whether ${place} knows the machine type ${quoted(plain)} is not known.`,
          'Compare the versions of QEMU.',
        ),
      );
    else if (!target.machines.includes(plain))
      found.push(
        blocks(
          `${place} does not know the machine type ${quoted(plain)} that it ${machine === running ? 'runs with' : 'is pinned to'}.`,
          'Upgrade the target, or pin an older one (update_guest) and restart the VM.',
        ),
      );
  }
  return [...found, ...mappingFindings(values, target, place)];
}

function mappingFindings(values: SourceFacts['values'], { mappings }: TargetFacts, place: string): Finding[] {
  const used = mappingsOf(values);
  if (used.length === 0) return [];
  if (mappings === undefined)
    return [
      warns(`Whether ${place} has its resource mappings is not known.`, 'Compare them (list_node_devices).'),
    ];
  const missing = used.filter(({ kind, id }) => !mappings[kind].includes(id));
  if (missing.length === 0)
    return [
      warns(
        `It uses the mapped devices ${someOf(used.map(({ id }) => quoted(id)))}, which are other devices there.`,
        'See that they are of the same kind, and free.',
      ),
    ];
  return [
    blocks(
      `${place} has no mapping ${someOf(missing.map(({ kind, id }) => `${kind} ${quoted(id)}`))}.`,
      'Make one of the same name there, or take the device off.',
    ),
  ];
}
