import { z } from 'zod';
import { someOf } from '../../fleet.ts';
import { compact } from '../../results.ts';
import type { Fetched } from './apply-fetches.ts';
import { type Fetch, isReady, type ReadyFetch } from './fetch.ts';
import { type Part, problemFields, problemOf } from './one-by-one.ts';
import { conflictText, placeText, type TemplateFile } from './template-files.ts';

const MOST_FINDINGS = 20;

export const fetchRow = z.object({
  cluster: z.string(),
  file: z.string().optional(),
  by: z.enum(['url', 'appliance']).optional(),
  volid: z.string().optional(),
  node: z.string().optional(),
  result: z.enum([
    ...['planned', 'blocked', 'fetched', 'running', 'unknown', 'there', 'failed', 'not_started'],
  ] as const),
  upid: z.string().optional(),
  checksum: z.literal('compared').optional(),
  ...problemFields,
});

type FetchRow = z.output<typeof fetchRow>;

/** What a cluster's part of the work came to. */
export interface FetchPart {
  wrote: boolean;
  fetches: readonly Fetch[];
  fetched: ReadonlyMap<ReadyFetch, Fetched>;
  /** Files that nothing brings there. */
  without: string[];
}

export function fetchRows(part: Part<FetchPart>): FetchRow[] {
  const cluster = part.cluster.name;
  if ('waits' in part) {
    return [{ cluster, result: 'not_started', message: 'Each cluster has its own approval: call again.' }];
  }
  if ('error' in part) return [{ cluster, result: 'failed', ...problemOf(part.error) }];
  return part.answer.fetches.map((fetch) => {
    const { file, by } = fetch;
    if (!isReady(fetch)) return { cluster, file, by, result: 'blocked', message: fetch.blocked };
    const { volid, place, upid: running } = fetch;
    const row = { cluster, file, by, volid, node: place.node };
    const fetched = part.answer.fetched.get(fetch);
    if (fetched === undefined) {
      return running === undefined
        ? { ...row, result: 'planned' }
        : { ...row, result: 'running', upid: running };
    }
    const { result, upid, isCompared, problem } = fetched;
    return {
      ...row,
      result,
      ...compact({ upid: result === 'fetched' ? undefined : upid, checksum: isCompared && 'compared' }),
      ...problem,
    } as FetchRow;
  });
}

export function fileRow({ file, content, status, copies, missing, unknown }: TemplateFile) {
  const sizes = [...new Set([...copies.values()].flat().map(({ bytes }) => bytes))];
  const [size] = sizes;
  const isOne = sizes.length === 1;
  const where = [...copies].map(([cluster, volumes]) => [
    cluster,
    volumes.map((volume) =>
      isOne ? placeText(volume) : `${placeText(volume)}, ${volume.bytes ?? '?'} bytes`,
    ),
  ]);
  return {
    file,
    content,
    status,
    ...(isOne && size !== undefined ? { size_bytes: size } : {}),
    where: Object.fromEntries(where),
    ...(missing.length === 0 ? {} : { missing }),
    ...(unknown.length === 0 ? {} : { unknown }),
  };
}

export function findingsOf(files: readonly TemplateFile[]): string[] {
  const conflicts = files.filter(({ status }) => status === 'conflict').map(conflictText);
  const more = conflicts.length - MOST_FINDINGS;
  return more <= 0 ? conflicts : [...conflicts.slice(0, MOST_FINDINGS), `And ${more} more of such.`];
}

/** What is missing and comes by nothing that this call holds. */
export function unfetchable(parts: readonly Part<FetchPart>[]): string[] {
  return parts.flatMap((part) => {
    if (!('answer' in part) || part.answer.without.length === 0) return [];
    const { without } = part.answer;
    return [`${part.cluster.name} lacks ${someOf(without)}: a \`url\` brings one, in a call of its own.`];
  });
}

export function fetchSentence(fetches: readonly FetchRow[]): string {
  if (fetches.length === 0) return '';
  const counts = [...Map.groupBy(fetches, ({ result }) => result)].map(
    ([result, rows]) => `${rows.length} ${result}`,
  );
  const isPreview = fetches.every(({ result }) => result === 'planned' || result === 'blocked');
  const next = isPreview
    ? ' Nothing was sent; `apply: true` fetches.'
    : ' The same call goes on with what is left.';
  const isDone = fetches.every(({ result }) => result === 'fetched' || result === 'there');
  return ` To fetch: ${counts.join(', ').replaceAll('_', ' ')}.${isDone ? '' : next}`;
}
