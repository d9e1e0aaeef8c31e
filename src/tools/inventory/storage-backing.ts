import { compact, textOf } from '../results.ts';

type Definition = Readonly<Record<string, unknown>>;

/** The same place behind storages of several clusters. */
export interface SharedBacking {
  /** `nfs 192.0.2.41:/export/backups`. */
  backing: string;
  /** The storages by cluster. */
  storages: Record<string, string>;
  /** What it is good for, or what it endangers. */
  meaning?: string;
}

/** What of a definition says where the data are, by type. Names alone tell nothing: `local` is everywhere. */
const PLACES: Readonly<Record<string, (definition: Definition) => (string | undefined)[]>> = {
  nfs: ({ server, export: path }) => [host(server), folder(path)],
  cifs: ({ server, share, subdir }) => [host(server), folder(share), folder(subdir) ?? ''],
  // Not the port: one PBS host may be reached through several.
  pbs: ({ server, datastore, namespace }) => [host(server), textOf(datastore), textOf(namespace) ?? ''],
  glusterfs: ({ server, volume }) => [host(server), textOf(volume)],
  iscsi: ({ portal, target }) => [host(portal), textOf(target)],
  iscsidirect: ({ portal, target }) => [host(portal), textOf(target)],
  zfs: ({ portal, target, pool }) => [host(portal), textOf(target), textOf(pool)],
  // Without monitors it is the cluster's own Ceph, which no other cluster sees.
  rbd: ({ monhost, pool, namespace }) => [monitors(monhost), textOf(pool) ?? 'rbd', textOf(namespace) ?? ''],
  cephfs: ({ monhost, 'fs-name': name, subdir }) => [
    monitors(monhost),
    textOf(name) ?? '',
    folder(subdir) ?? '',
  ],
};

/** Types that every node of a cluster sees; Proxmox VE leaves `shared` out of their definitions. */
const ALWAYS_SHARED = new Set([...Object.keys(PLACES), 'esxi']);

export function isShared({ type, shared }: Definition): boolean {
  return ALWAYS_SHARED.has(String(type)) || Number(shared) === 1;
}

/** @returns where the data of a storage are, the same text for the same place; undefined for what is a node's own */
export function backingOf(definition: Definition): string | undefined {
  const type = String(definition.type);
  const parts = PLACES[type]?.(definition);
  if (parts === undefined || parts.some((part) => part === undefined)) return undefined;
  return `${type} ${parts.filter((part) => part !== '').join(':')}`;
}

/**
 * Finds the storages of different clusters that are the same place. Hosts are compared as they are written: a name and
 * the address behind it are not recognised as one.
 */
export function sharedBackings(byCluster: ReadonlyMap<string, readonly Definition[]>): SharedBacking[] {
  const all = [...byCluster].flatMap(([cluster, definitions]) =>
    definitions.flatMap((definition) => {
      const backing = Number(definition.disable) === 1 ? undefined : backingOf(definition);
      return backing === undefined ? [] : [{ cluster, definition, backing }];
    }),
  );
  return [...Map.groupBy(all, ({ backing }) => backing)]
    .map(([backing, seen]) => ({ backing, clusters: [...Map.groupBy(seen, ({ cluster }) => cluster)] }))
    .filter(({ clusters }) => clusters.length > 1)
    .sort((a, b) => (a.backing < b.backing ? -1 : 1))
    .map(({ backing, clusters }) => ({
      backing,
      storages: Object.fromEntries(
        clusters.map(([cluster, seen]) => [
          cluster,
          seen.map(({ definition }) => String(definition.storage)).join(', '),
        ]),
      ),
      ...compact({ meaning: meaningOf(clusters.map(([, seen]) => contentsOf(seen))) }),
    }));
}

function contentsOf(seen: readonly { definition: Definition }[]): Set<string> {
  return new Set(seen.flatMap(({ definition }) => contentOf(definition)));
}

/** PBS has no `content` in older definitions; it never holds anything but backups. */
export function contentOf({ content, type }: Definition): string[] {
  return (textOf(content) ?? (type === 'pbs' ? 'backup' : ''))
    .split(',')
    .filter((kind) => kind !== '')
    .sort();
}

function meaningOf(contents: readonly Set<string>[]): string | undefined {
  const everywhere = (kind: string): boolean => contents.every((content) => content.has(kind));
  const meanings = [
    ...(everywhere('backup')
      ? ['A backup made by one can be restored by the others; guests with the same VMID share their backups.']
      : []),
    ...(everywhere('images') || everywhere('rootdir')
      ? ['Both keep disks there: equal VMIDs in two clusters endanger each other.']
      : []),
  ];
  return meanings.length === 0 ? undefined : meanings.join(' ');
}

function host(value: unknown): string | undefined {
  return textOf(value)?.toLowerCase();
}

function folder(value: unknown): string | undefined {
  const path = textOf(value);
  return path === undefined ? undefined : path.replace(/(?<=.)\/+$/, '');
}

/** PVE takes a list in any order, separated by comma, semicolon or blanks. */
function monitors(value: unknown): string | undefined {
  const list = textOf(value)
    ?.toLowerCase()
    .split(/[;, ]+/)
    .filter((one) => one !== '');
  return list === undefined || list.length === 0 ? undefined : list.sort().join(',');
}
