import type { GatedCluster } from '../../../access/gate.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../../proxmox/text.ts';
import type { ToolContext } from '../../define.ts';
import { someOf } from '../../fleet.ts';
import { notNow, unfitting } from '../../refusals.ts';
import { count } from '../../results.ts';
import { inWords } from '../../size.ts';
import type { Volume } from '../../storage/content.ts';
import { metadataOf } from '../../storage/download.ts';
import { algorithmOf, present } from '../../storage/files.ts';
import { requireSpace } from '../../storage/place.ts';
import { awaitTask, runTask, type TaskOutcome } from '../../task.ts';
import type { FetchWanted, ReadyFetch } from './fetch.ts';
import { type Problem, problemOf } from './one-by-one.ts';

/** More than a person reads in one plan. */
const MOST_FILES = 50;

/** What became of a file that was to be fetched. */
export interface Fetched {
  result: 'fetched' | 'running' | 'unknown' | 'there' | 'failed' | 'not_started';
  upid?: string;
  /** As it is stored now. */
  volume?: Volume;
  /** Proxmox compared it with the checksum that was given. */
  isCompared?: true;
  problem?: Problem;
}

export interface FetchOptions extends FetchWanted {
  /** The copies of other clusters. */
  copies: (fetch: ReadyFetch) => ReadonlyMap<string, readonly Volume[]>;
  waitSeconds: number;
}

/**
 * Fetches files to one cluster, one after another: one approval for all. What is fetched at this moment is waited for;
 * nothing is ever overwritten.
 *
 * @throws CallError of the approval or the policy, before anything is sent; the reason of the call's signal
 */
export async function fetchAll(
  cluster: GatedCluster,
  fetches: readonly ReadyFetch[],
  options: FetchOptions,
  context: ToolContext,
): Promise<Map<ReadyFetch, Fetched>> {
  const due = fetches.filter(({ upid }) => upid === undefined);
  if (due.length > MOST_FILES) {
    throw unfitting(
      `${cluster.name} lacks ${count(due.length, 'file')}, and one call fetches ${MOST_FILES}: narrow it with name or content`,
    );
  }
  const requests = due.flatMap(({ metadata, request }) => [...(metadata ? [metadata] : []), request]);
  if (requests.length > 0) {
    const notes = due.map((fetch) => noteOf(cluster, fetch, options));
    await cluster.approve(requests, { notes, atLeast: 'self' });
  }
  const until = context.now() + options.waitSeconds * 1000;
  const results = new Map<ReadyFetch, Fetched>();
  for (const fetch of fetches) {
    context.signal.throwIfAborted();
    const left = Math.max(0, Math.floor((until - context.now()) / 1000));
    const isLate = options.waitSeconds > 0 && left === 0 && fetch.upid === undefined;
    results.set(
      fetch,
      isLate
        ? { result: 'not_started' }
        : await fetchOne(cluster, fetch, { ...options, waitSeconds: left }, context),
    );
  }
  return results;
}

async function fetchOne(
  cluster: GatedCluster,
  fetch: ReadyFetch,
  options: FetchOptions,
  context: ToolContext,
): Promise<Fetched> {
  const { upid, volid, place, content, request } = fetch;
  try {
    if (upid !== undefined)
      return await ended(cluster, fetch, await awaitTask(cluster, upid, options.waitSeconds, context));
    await requireFitting(cluster, fetch, options);
    const before = await present(cluster, place, content, volid);
    if (before !== undefined) return { result: 'there', volume: before };
    const outcome = await runTask(cluster, request, options.waitSeconds, context);
    const fetched = await ended(cluster, fetch, outcome);
    const isCompared = fetched.result === 'fetched' && options.checksum !== undefined;
    return { ...fetched, ...(isCompared ? { isCompared } : {}) };
  } catch (thrown) {
    context.signal.throwIfAborted();
    return { result: 'failed', problem: problemOf(toCallError(thrown)) };
  }
}

async function ended(
  cluster: GatedCluster,
  { place, content, volid }: ReadyFetch,
  { task }: TaskOutcome,
): Promise<Fetched> {
  const upid = task === undefined ? {} : { upid: task.upid };
  if (task?.status === 'running') return { result: 'running', ...upid };
  // It is fetched, whatever becomes of the reading.
  const volume = await present(cluster, place, content, volid).catch(() => undefined);
  const isFetched = task?.status !== 'unknown' || volume !== undefined;
  return { result: isFetched ? 'fetched' : 'unknown', ...upid, ...(volume === undefined ? {} : { volume }) };
}

/** @throws CallError where the node does not get it, where it does not fit, or where it is another file than elsewhere */
async function requireFitting(
  cluster: GatedCluster,
  fetch: ReadyFetch,
  { copies, checksum }: FetchOptions,
): Promise<void> {
  if (fetch.metadata === undefined) return;
  const { bytes } = await metadataOf(cluster, fetch.metadata);
  requireSpace(cluster.name, fetch.place, bytes);
  if (bytes === undefined || checksum !== undefined) return;
  const others = [...copies(fetch)].flatMap(([name, volumes]) =>
    volumes.map((volume) => ({ name, ...volume })),
  );
  const sized = others.filter((other) => other.bytes !== undefined);
  if (sized.length === 0 || sized.some((other) => other.bytes === bytes)) return;
  const each = sized.map((other) => `${inWords(other.bytes ?? 0)} on ${other.name}`);
  throw notNow(
    cluster,
    `Behind the URL is another file: ${inWords(bytes)} (${bytes} bytes), and ${quoted(fetch.file)} has ${someOf(each)}.`,
    'Pass the URL of the same version, or a `checksum` that says which one is right.',
  );
}

/** A line of the plan. */
function noteOf(
  cluster: GatedCluster,
  { file, place, by }: ReadyFetch,
  { url, checksum }: FetchWanted,
): string {
  const where = `${quoted(place.storage)} on ${quoted(place.node)} of ${cluster.name}`;
  if (by === 'appliance') {
    return `Fetches ${quoted(file)} to ${where}, from Proxmox’s own list of templates, which holds its checksum.`;
  }
  const check =
    checksum === undefined
      ? 'Without a checksum nobody knows whether it is the file that was meant.'
      : `Proxmox keeps it only if its ${algorithmOf(checksum)} is ${checksum.toLowerCase()}.`;
  return `Fetches ${quoted(file)} to ${where}, from ${inQuotes(url ?? '', 2000)}. ${check}`;
}
