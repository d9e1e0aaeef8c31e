import { isTrue, type Json } from '../../../catalogue/json.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { readProperties } from '../../property-string.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import type { SourceFacts } from './source-facts.ts';

/** Features of a container that Proxmox lets others than root set, where it is unprivileged. */
const OPEN_FEATURES = ['nesting'];

/** What a guest has of its node. */
export function deviceFindings({ values, live, parts }: SourceFacts): Finding[] {
  const found: Finding[] = [];
  const raw = Object.entries(values).filter(([key, value]) => isRawDevice(key, String(value)));
  if (raw.length > 0)
    found.push(
      blocks(
        `It uses devices of its node: ${someOf(raw.map(([key]) => key))}.`,
        'Take them off (update_guest delete), or pass them through by a mapping that the target has too.',
      ),
    );
  const mapped = mappingsOf(values).filter(({ kind }) => kind === 'pci');
  if (mapped.length > 0 && live.state === 'running')
    found.push(
      blocks(
        `It runs with passed-through PCI devices (${someOf(mapped.map(({ key }) => key))}), and can't move live.`,
        'Shut it down first, and move it stopped.',
      ),
    );
  if (parts.ofNode.length > 0)
    found.push(
      blocks(
        `${someOf(parts.ofNode)} is a path or device of its node, and no volume.`,
        'Take it off first, and attach it anew at the target.',
      ),
    );
  if (parts.discs.length > 0)
    found.push(
      blocks(
        `A disc is in a drive: ${someOf(parts.discs.map(({ key, volid }) => `${key} ${quoted(volid)}`))}.`,
        "Eject it: update_guest disks=[{id, iso: 'none'}].",
      ),
    );
  if (parts.unused.length > 0)
    found.push(
      warns(
        `Whether its detached disks (${someOf(parts.unused)}) go along is not known.`,
        'Attach those that are needed; they stay with the source, too.',
      ),
    );
  if (values.tpmstate0 !== undefined)
    found.push(
      warns('It has a TPM, whose state is copied.', 'Have the recovery key of an encrypted disk at hand.'),
    );
  return found;
}

function isRawDevice(key: string, value: string): boolean {
  if (/^hostpci\d+$/.test(key)) return !/(?:^|,)mapping=/.test(value);
  if (/^usb\d+$/.test(key)) return !/(?:^|,)mapping=/.test(value) && !/^(?:host=)?spice/.test(value);
  if (/^(?:serial|parallel)\d+$/.test(key)) return value.startsWith('/dev/');
  return /^dev\d+$/.test(key);
}

/** The resource mappings that a configuration names. */
export function mappingsOf(values: Json): { key: string; kind: 'pci' | 'usb'; id: string }[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const kind = /^hostpci\d+$/.test(key) ? 'pci' : /^usb\d+$/.test(key) ? 'usb' : undefined;
    const id = kind === undefined ? undefined : readProperties(String(value)).options.get('mapping');
    return kind === undefined || id === undefined ? [] : [{ key, kind, id }];
  });
}

/** No API token may set these, so the target's can't take them over. */
export function rootFindings({ values, guest }: SourceFacts): Finding[] {
  const keys = ['args', 'hookscript', 'lxc'].filter((key) => values[key] !== undefined);
  if (guest.guest.type === 'lxc' && values.features !== undefined) {
    const { options } = readProperties(String(values.features));
    const closed = [...options].filter(([name, value]) => {
      return value !== '0' && !(OPEN_FEATURES.includes(name) && isTrue(values.unprivileged));
    });
    if (closed.length > 0) keys.push(`features (${closed.map(([name]) => name).join(', ')})`);
  }
  if (keys.length === 0) return [];
  return [
    blocks(
      `It has options that only root@pam may set, and no API token: ${someOf(keys)}.`,
      'Remove them (update_guest delete, or qm/pct set on the node) and set them anew on the target node.',
    ),
  ];
}
