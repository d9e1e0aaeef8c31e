import type { GatedCluster } from '../../../access/gate.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { inWords } from '../../size.ts';
import { readContents, type Volume } from '../../storage/content.ts';
import type { FileContent } from '../../storage/files.ts';

export const FILE_CONTENTS = ['iso', 'vztmpl', 'import'] as const satisfies readonly FileContent[];

/** A volume that is a file to install from. */
export type StoredFile = Volume & { file: string; content: FileContent };

/** The files of one cluster. */
export interface ClusterFiles {
  volumes: readonly StoredFile[];
  /** Contents that are not known whole: what is not seen may be there. */
  unsure: ReadonlySet<FileContent>;
  unread: { storage: string; node: string; problem: string }[];
}

/** One file by its name, over all clusters. */
export interface TemplateFile {
  file: string;
  content: FileContent;
  status: 'alike' | 'only_some' | 'conflict';
  /** Where it is, by cluster. */
  copies: ReadonlyMap<string, readonly Volume[]>;
  missing: string[];
  /** Clusters in which it may be. */
  unknown: string[];
}

/**
 * Reads what a cluster keeps as files to install from. A storage that can't be read costs itself alone.
 *
 * @throws CallError where the cluster does not answer; the reason of the call's signal
 */
export async function readFiles(
  cluster: GatedCluster,
  contents: readonly FileContent[],
  signal: AbortSignal,
): Promise<ClusterFiles> {
  const { storages } = await cluster.inventory({ fresh: true, signal });
  const unsure = new Set<FileContent>();
  const unread: ClusterFiles['unread'] = [];
  const lists = await Promise.all(
    contents.map(async (content) => {
      const [place] = storages.filter((row) => row.content.includes(content));
      // Whether there is none, or none that may be seen, nobody knows.
      if (place === undefined) unsure.add(content);
      if (place === undefined) return [];
      const read = await readContents(cluster, { content }).catch((thrown: unknown) => {
        signal.throwIfAborted();
        const { code, message } = toCallError(thrown);
        if (code === 'CLUSTER_UNREACHABLE') throw thrown;
        const { storage, node } = place;
        return { volumes: [], unread: [{ storage, node, problem: message }] };
      });
      if (read.unread.length > 0) unsure.add(content);
      unread.push(...read.unread);
      return read.volumes.map((volume) => fileOf(volume, content));
    }),
  );
  return { volumes: lists.flat(), unsure, unread: once(unread) };
}

/** @param volume as a storage lists it */
export function fileOf(volume: Volume, content: FileContent): StoredFile {
  return { ...volume, content, file: volume.volid.slice(volume.volid.lastIndexOf('/') + 1) };
}

/** A storage that holds several contents is not read several times in the same words. */
function once(unread: ClusterFiles['unread']): ClusterFiles['unread'] {
  return [...new Map(unread.map((one) => [`${one.node}/${one.storage}`, one])).values()];
}

/**
 * Holds the files of clusters against each other by their names: Proxmox tells no checksum of what it stores, so that
 * the size is all that two of one name can be told apart by.
 */
export function compareFiles(byCluster: ReadonlyMap<string, ClusterFiles>): TemplateFile[] {
  const seen = [...byCluster].flatMap(([cluster, { volumes }]) =>
    volumes.map((volume) => ({ cluster, volume })),
  );
  const groups = Map.groupBy(seen, ({ volume }) => `${volume.content}/${volume.file}`);
  const files = [...groups.values()].flatMap((group): TemplateFile[] => {
    const [first] = group;
    if (first === undefined) return [];
    const { file, content } = first.volume;
    const copies = new Map(
      [...Map.groupBy(group, ({ cluster }) => cluster)].map(([cluster, found]) => [
        cluster,
        found.map(({ volume }) => volume),
      ]),
    );
    return [{ file, content, copies, ...placesOf(byCluster, content, copies) }];
  });
  return files.sort((a, b) => (`${a.content}/${a.file}` < `${b.content}/${b.file}` ? -1 : 1));
}

/** Of a file with these copies: where it is not, and whether they are the same. */
function placesOf(
  byCluster: ReadonlyMap<string, ClusterFiles>,
  content: FileContent,
  copies: ReadonlyMap<string, readonly Volume[]>,
): Pick<TemplateFile, 'status' | 'missing' | 'unknown'> {
  const without = [...byCluster].filter(([cluster]) => !copies.has(cluster));
  const isUnsure = ([, { unsure }]: (typeof without)[number]) => unsure.has(content);
  const sizes = new Set([...copies.values()].flat().flatMap(({ bytes }) => bytes ?? []));
  return {
    status: sizes.size > 1 ? 'conflict' : without.length > 0 ? 'only_some' : 'alike',
    missing: without.filter((one) => !isUnsure(one)).map(([cluster]) => cluster),
    unknown: without.filter(isUnsure).map(([cluster]) => cluster),
  };
}

/** `nas`, `local on pve1`: where a copy is. */
export function placeText({ storage, node, shared }: Volume): string {
  return shared ? quoted(storage) : `${quoted(storage)} on ${quoted(node)}`;
}

/** What somebody should look at: copies of one name that can't be the same. */
export function conflictText({ file, copies }: TemplateFile): string {
  const each = [...copies].flatMap(([cluster, volumes]) =>
    volumes.map((volume) => {
      const size = volume.bytes === undefined ? 'of unknown size' : inWords(volume.bytes);
      return `${cluster} ${placeText(volume)} ${size} (${volume.bytes ?? '?'} bytes)`;
    }),
  );
  return `${quoted(file)} is not the same everywhere: ${each.join('; ')}. Delete the wrong ones (delete_volume), then fetch it with a checksum.`;
}
