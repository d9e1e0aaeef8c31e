import type { GatedCluster, GateRequest } from '../../../access/gate.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { rowsOf, textOf } from '../../results.ts';
import { type Appliance, readAppliances } from '../../storage/appliances.ts';
import { downloadRequest, metadataRequest } from '../../storage/download.ts';
import { type FileContent, volidOf } from '../../storage/files.ts';
import { type Place, placeFor } from '../../storage/place.ts';

/** What the caller says of fetching. */
export interface FetchWanted {
  url: string | undefined;
  checksum: string | undefined;
  /** By cluster: `storage`, or `node/storage`. */
  places: Readonly<Record<string, string>>;
}

/** A file that a cluster lacks, and what brings it there. */
export type Fetch = { file: string; content: FileContent; by: 'url' | 'appliance' } & (
  | { blocked: string }
  | { place: Place; volid: string; metadata: GateRequest | undefined; request: GateRequest; upid?: string }
);

export type ReadyFetch = Extract<Fetch, { request: GateRequest }>;

/** What is looked at before anything is fetched. */
export const FETCH_CALLS = [
  ['POST', '/nodes/{node}/aplinfo', 'storage', 'template'],
  ['GET', '/nodes/{node}/tasks', 'source', 'typefilter', 'limit'],
] as const;

/**
 * Says how a cluster comes to files that it lacks: by the URL, or as a template that Proxmox itself offers there.
 *
 * @returns nothing of files that neither brings
 * @throws CallError of the list of templates
 */
export async function fetchesFor(
  cluster: GatedCluster,
  missing: readonly { file: string; content: FileContent }[],
  wanted: FetchWanted,
): Promise<Fetch[]> {
  const offered = wanted.url === undefined ? await offeredBy(cluster, missing) : new Set();
  const asked = new Map<string, Promise<Place>>();
  const running = new Map<string, Promise<ReadonlyMap<string, string>>>();
  const fetches = missing.map(async ({ file, content }): Promise<Fetch[]> => {
    if (wanted.url === undefined && !offered.has(file)) return [];
    const by = wanted.url === undefined ? ('appliance' as const) : ('url' as const);
    try {
      const place = await remembered(asked, content, () => placeOn(cluster, content, wanted.places));
      const { node } = place;
      const upid = (await remembered(running, node, () => runningDownloads(cluster, node))).get(file);
      const fetch = { file, content, by, place, volid: volidOf(place, content, file) };
      return [{ ...fetch, ...requestsOf(fetch, wanted), ...(upid === undefined ? {} : { upid }) }];
    } catch (thrown) {
      const { code, message } = toCallError(thrown);
      if (code !== 'INVALID_ARGUMENTS' && code !== 'CONFLICT' && code !== 'NOT_FOUND') throw thrown;
      const example = `{"${cluster.name}": "node/storage"}`;
      return [{ file, content, by, blocked: `${message} Say in \`places\` where it goes: ${example}.` }];
    }
  });
  return (await Promise.all(fetches)).flat();
}

export function isReady(fetch: Fetch): fetch is ReadyFetch {
  return 'request' in fetch;
}

function requestsOf(
  { file, content, place }: Pick<ReadyFetch, 'file' | 'content' | 'place'>,
  { url, checksum }: FetchWanted,
): Pick<ReadyFetch, 'metadata' | 'request'> {
  const { node, storage } = place;
  if (url === undefined) {
    const path = apiPath`/nodes/${node}/aplinfo`;
    return { metadata: undefined, request: { method: 'POST', path, data: { storage, template: file } } };
  }
  const download = { url, content, filename: file, checksum, verifyCertificates: true };
  return { metadata: metadataRequest(node, download), request: downloadRequest(place, download) };
}

/** The place that is named, the one shared storage that fits, or what the cluster is set to. */
async function placeOn(
  cluster: GatedCluster,
  content: FileContent,
  places: FetchWanted['places'],
): Promise<Place> {
  const [storage, node] = (places[cluster.name] ?? '').split('/').reverse();
  if (storage) return placeFor(cluster, { storage, node, content });
  const { storages } = await cluster.inventory();
  const fitting = storages.filter(
    (row) => row.shared && row.content.includes(content) && row.status === 'available',
  );
  const names = new Set(fitting.map((row) => row.storage));
  const [only] = names;
  return placeFor(cluster, { content, ...(names.size === 1 ? { storage: only } : {}) });
}

/** The templates that Proxmox offers a cluster, where any is missing there. */
async function offeredBy(
  cluster: GatedCluster,
  missing: readonly { content: FileContent }[],
): Promise<ReadonlySet<string>> {
  if (!missing.some(({ content }) => content === 'vztmpl')) return new Set();
  const { nodes } = await cluster.inventory();
  // Each node has the same list.
  const node = nodes.find(({ status }) => status === 'online')?.node;
  const appliances: Appliance[] = node === undefined ? [] : await readAppliances(cluster, node);
  return new Set(appliances.map(({ template }) => template));
}

/** What a node fetches at this moment, by the name of the file: Proxmox would fetch it a second time beside it. */
async function runningDownloads(cluster: GatedCluster, node: string): Promise<ReadonlyMap<string, string>> {
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/tasks`,
    data: { source: 'active', typefilter: 'download', limit: 500 },
  });
  const running = rowsOf(data).filter((row) => row.type === 'download' && row.endtime === undefined);
  return new Map(
    running.flatMap((row) => {
      const upid = textOf(row.upid);
      return upid === undefined ? [] : [[String(row.id), upid]];
    }),
  );
}

function remembered<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const asked = known.get(key) ?? ask();
  known.set(key, asked);
  return asked;
}
