import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { inWords } from '../../size.ts';
import { blocks, type Finding, warns } from '../finding.ts';
import { type Parts, storagesOf } from './disks.ts';
import { type Mapped, type NameMap, strangers } from './maps.ts';
import type { Room, TargetFacts } from './target-facts.ts';

/**
 * Where each storage's volumes go: as the caller says, else to a storage of the same name, the default one, or the one
 * with the most room.
 */
export function storageMap(
  parts: Parts,
  target: TargetFacts,
  given: NameMap = {},
  content: 'images' | 'rootdir' = 'images',
): Mapped {
  const { rooms, cluster, node } = target;
  const used = storagesOf(parts);
  const found = strangers(given, used, 'storage_map', 'storage');
  const fits = (rooms ?? []).filter((room) => room.isUsable && room.content.includes(content));
  const map: Record<string, string> = {};
  for (const source of used) {
    const chosen = given[source] ?? bestRoom(source, fits, cluster.settings.defaultStorage);
    if (chosen === undefined) {
      const why = rooms === undefined ? 'its storages are not known' : 'it has none';
      found.push(
        blocks(
          `${quoted(node)} of ${cluster.name} has to have a storage for ${content}: ${why}.`,
          `Pass storage_map={"${source}": "…"}, or make one (create_storage).`,
        ),
      );
    } else {
      map[source] = chosen;
      if (rooms !== undefined) found.push(...unfit(chosen, rooms, content, target));
    }
  }
  return { map, found: [...found, ...lackOfRoom(parts, map, target)] };
}

function bestRoom(source: string, fits: readonly Room[], preferred: string | undefined): string | undefined {
  const named = (name: string | undefined) => fits.find(({ storage }) => storage === name)?.storage;
  const [roomiest] = [...fits].sort((a, b) => (b.freeBytes ?? 0) - (a.freeBytes ?? 0));
  return named(source) ?? named(preferred) ?? roomiest?.storage;
}

function unfit(
  name: string,
  rooms: readonly Room[],
  content: string,
  { cluster, node }: TargetFacts,
): Finding[] {
  const room = rooms.find(({ storage }) => storage === name);
  const fit = rooms
    .filter((one) => one.isUsable && one.content.includes(content))
    .map(({ storage }) => quoted(storage));
  const advice = `These fit: ${someOf(fit) || 'none'}.`;
  const where = `${quoted(node)} of ${cluster.name}`;
  if (room === undefined) return [blocks(`${where} has no storage ${quoted(name)}.`, advice)];
  if (!room.content.includes(content))
    return [blocks(`The storage ${quoted(name)} of ${where} can't hold ${content}.`, advice)];
  return room.isUsable
    ? []
    : [blocks(`The storage ${quoted(name)} of ${where} is disabled or not reached.`, advice)];
}

/** All disks that go to one storage have to fit on it together. */
function lackOfRoom({ disks }: Parts, map: NameMap, { rooms = [], cluster }: TargetFacts): Finding[] {
  const sums = new Map<string, number>();
  const found: Finding[] = [];
  for (const { key, storage, bytes } of disks) {
    const target = map[storage];
    if (target === undefined) continue;
    sums.set(target, (sums.get(target) ?? 0) + (bytes ?? 0));
    if (bytes === undefined)
      found.push(warns(`How large ${key} is, is not known.`, `See that ${quoted(target)} has room.`));
  }
  for (const [storage, bytes] of sums) {
    const free = rooms.find((room) => room.storage === storage)?.freeBytes;
    const what = `${inWords(bytes)} go to ${quoted(storage)} of ${cluster.name}`;
    if (free === undefined)
      found.push(warns(`${what}, whose free space is not known.`, 'Look at it (get_storage).'));
    else if (free < bytes)
      found.push(
        blocks(
          `${what}, which has ${inWords(free)} free.`,
          'Choose another in storage_map, or make room (list_storage sort=free_bytes).',
        ),
      );
  }
  return found;
}
