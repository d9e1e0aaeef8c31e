import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { blocks, type Finding } from '../finding.ts';

/** From what the source calls it to what it is at the target. */
export type NameMap = Readonly<Record<string, string>>;

export interface Mapped {
  map: NameMap;
  found: Finding[];
}

const ANY = '1';

/** What the caller maps, and the guest does not have. */
export function strangers(given: NameMap, used: readonly string[], name: string, noun: string): Finding[] {
  const wrong = Object.keys(given).filter((key) => !used.includes(key));
  if (wrong.length === 0) return [];
  const has = someOf(used.map(quoted)) || 'none';
  return [
    blocks(
      `${name} names the ${noun} ${someOf(wrong.map(quoted))}, which the guest does not use.`,
      `It uses: ${has}.`,
    ),
  ];
}

/** As Proxmox takes it: `src:dst,src2:dst2`. @param otherwise where there is nothing to map, and one is wanted */
export function mapText(map: NameMap, otherwise = ANY): string {
  const pairs = Object.entries(map).map(([source, target]) => `${source}:${target}`);
  return pairs.length === 0 ? otherwise : pairs.join(',');
}

/** `local-lvm → tank, nas → tank`. */
export function mapWords(map: NameMap): string {
  return (
    Object.entries(map)
      .map(([source, target]) => `${quoted(source)} → ${quoted(target)}`)
      .join(', ') || 'none'
  );
}
