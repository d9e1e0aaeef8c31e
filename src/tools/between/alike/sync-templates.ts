import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { wildcard } from '../../../config/wildcard.ts';
import { bound } from '../../bounded.ts';
import { defineTool, type ToolContext } from '../../define.ts';
import { askFleet, fleetFields, withoutFailed } from '../../fleet.ts';
import { limitParam, listOf, switchParam, textParam, wholeParam, wildcardParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';
import { compact, count, rowsOf } from '../../results.ts';
import { APPLIANCE_CALLS } from '../../storage/appliances.ts';
import { unreadParts } from '../../storage/content.ts';
import { DOWNLOAD_CALLS, guessContent, nameFor, nameInUrl } from '../../storage/download.ts';
import {
  checksumParam,
  FILE_CALLS,
  type FileContent,
  fileContentParam,
  normalised,
  requireEnding,
} from '../../storage/files.ts';
import { PLACE_CALLS } from '../../storage/place.ts';
import { TASK_CALLS } from '../../task.ts';
import { fetchAll } from './apply-fetches.ts';
import { FETCH_CALLS, fetchesFor, isReady, type ReadyFetch } from './fetch.ts';
import { clustersOf, oneByOne } from './one-by-one.ts';
import {
  type ClusterFiles,
  compareFiles,
  FILE_CONTENTS,
  fileOf,
  readFiles,
  type TemplateFile,
} from './template-files.ts';
import {
  type FetchPart,
  fetchRow,
  fetchRows,
  fetchSentence,
  fileRow,
  findingsOf,
  unfetchable,
} from './template-rows.ts';

const DEADLINE_MS = 25_000;
/** Behind the waiting, for the reads before it and the last answers. */
const SLACK_SECONDS = 120;
const ROWS_CHARACTERS = 30_000;
const NO_CHECKSUMS =
  'Proxmox tells no checksum of what it stores: copies of one name and size count as alike, and only a download with `checksum` was compared.';

const input = z.strictObject({
  clusters: listOf(textParam(), 20).optional().describe('Default: all.'),
  content: fileContentParam,
  name: wildcardParam,
  url: textParam(2000).optional().describe('Of one file that is missing.'),
  filename: textParam(255).optional(),
  checksum: checksumParam.describe('Hexadecimal.'),
  to: listOf(textParam(), 20).optional().describe('Clusters to fetch to. Default: those that lack it.'),
  places: z.record(textParam(), textParam(200)).optional().describe('By cluster: storage, or node/storage.'),
  apply: switchParam().describe('Fetch; else it is a preview.'),
  wait_seconds: wholeParam(0, 1800).default(300),
  limit: limitParam(100, 500),
  offset: z.int().min(0).default(0),
});

type Args = z.output<typeof input>;

export const syncTemplates = defineTool({
  name: 'sync_templates',
  title: 'Make templates alike',
  description:
    'Shows which ISOs, container templates and cloud images are where over clusters; with `apply` fetches what is missing: one file by `url`, or templates that Proxmox offers. Overwrites nothing.',
  toolset: 'between',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ...DOWNLOAD_CALLS,
    ...FETCH_CALLS,
    ...APPLIANCE_CALLS,
    ...FILE_CALLS,
    ...PLACE_CALLS,
    ...TASK_CALLS,
  ],
  withoutCluster: 'all',
  input,
  output: z.object({
    clusters: z.array(z.string()),
    files: z.array(z.looseObject({})).describe('`unknown`: it may be there, where a storage was not read.'),
    total: z.int(),
    next_offset: z.int().optional(),
    alike: z.int(),
    only_some: z.int(),
    conflicts: z.int(),
    fetches: z.array(fetchRow).optional(),
    findings: z.array(z.string()).optional(),
    unread: unreadParts,
    failed: fleetFields.failed,
    note: z.string(),
  }),
  deadlineSeconds: ({ wait_seconds }) => wait_seconds + SLACK_SECONDS,
  async run(args, context) {
    const { clusters, targets, wanted } = scopeOf(args, context);
    const contents = FILE_CONTENTS.filter((one) => (wanted?.content ?? args.content ?? one) === one);
    const { answers, failed } = await askFleet(
      { clusters, isAll: true },
      context,
      (cluster, signal) => readFiles(cluster, contents, signal),
      DEADLINE_MS,
    );
    const files = new Map(answers.map(({ cluster, answer }) => [cluster.name, answer]));
    const shown = () => filesShown(files, args, wanted);
    const before = shown();
    const readable = targets.filter(({ name }) => files.has(name));
    const parts = await oneByOne(readable, context, (cluster) => partOf(cluster, before, args, context));
    for (const part of parts) if ('answer' in part) addFetched(files, part.cluster.name, part.answer.fetched);
    const after = shown();
    const fetches = parts.flatMap(fetchRows);
    const { data, truncated } = bound(
      after.map(fileRow),
      { offset: args.offset, limit: args.limit },
      ROWS_CHARACTERS,
    );
    const findings = [...findingsOf(after), ...(args.url === undefined ? unfetchable(parts) : [])];
    const unread = [...files].flatMap(([cluster, one]) =>
      one.unread.map(({ storage, node, problem }) => ({ storage, node, problem: `${cluster}: ${problem}` })),
    );
    const counted = (status: TemplateFile['status']) => after.filter((file) => file.status === status).length;
    return {
      clusters: answers.map(({ cluster }) => cluster.name),
      files: rowsOf(data),
      total: after.length,
      ...compact({ next_offset: truncated?.next_offset }),
      alike: counted('alike'),
      only_some: counted('only_some'),
      conflicts: counted('conflict'),
      ...(fetches.length === 0 ? {} : { fetches }),
      ...(findings.length === 0 ? {} : { findings }),
      ...(unread.length === 0 ? {} : { unread }),
      ...(failed.length === 0 ? {} : { failed }),
      note: NO_CHECKSUMS,
    };
  },
  summary(answer) {
    const {
      clusters,
      total,
      alike,
      only_some,
      conflicts,
      files,
      next_offset,
      fetches = [],
      unread,
      failed,
    } = answer;
    const found = `${clusters.join(', ')}: ${count(total, 'file')}, ${alike} everywhere, ${only_some} on some alone, ${conflicts} of one name that differ.`;
    const more =
      next_offset === undefined ? '' : ` Showing ${files.length}; go on with offset ${next_offset}.`;
    const left = unread === undefined ? '' : ' Some storages could not be read (`unread`).';
    return `${found}${fetchSentence(fetches)}${more}${left}${withoutFailed(failed)}`;
  },
});

/** The file that a URL brings. */
interface WantedFile {
  file: string;
  content: FileContent;
}

/** @throws CallError INVALID_ARGUMENTS for what does not fit together */
function scopeOf(args: Args, context: ToolContext) {
  const { url, filename, checksum, to, places = {} } = args;
  const targets = clustersOf(context, to ?? args.clusters);
  const others = clustersOf(context, args.clusters).filter(
    ({ name }) => !targets.some((target) => target.name === name),
  );
  const clusters = [...targets, ...others];
  if (url === undefined && (filename ?? checksum) !== undefined) {
    throw unfitting('filename and checksum are of the file behind `url`, and none is given');
  }
  if (url === undefined && clusters.length < 2) {
    throw unfitting(
      'there is one cluster here, and nothing to compare it with; with `url` a file can be fetched',
    );
  }
  const stranger = Object.keys(places).find((name) => !clusters.some((cluster) => cluster.name === name));
  if (stranger !== undefined) throw unfitting(`\`places\` names ${stranger}, which is none of the clusters`);
  return { clusters, targets, wanted: url === undefined ? undefined : fileBehind(url, args, targets) };
}

function fileBehind(url: string, { filename, content }: Args, [target]: readonly GatedCluster[]): WantedFile {
  const cluster = target?.name ?? '';
  const inUrl = nameInUrl(cluster, url);
  const given = filename === undefined ? inUrl : normalised(filename);
  if (given === undefined) throw unfitting('the URL does not say how the file is called: pass `filename`');
  const kind = content ?? guessContent(given) ?? 'iso';
  const file = filename === undefined ? nameFor(given, kind, undefined) : given;
  requireEnding(cluster, file, kind);
  return { file, content: kind };
}

function filesShown(
  files: ReadonlyMap<string, ClusterFiles>,
  { name }: Args,
  wanted: WantedFile | undefined,
): TemplateFile[] {
  const fits = name === undefined ? () => true : wildcard(name);
  const all = compareFiles(files);
  if (wanted === undefined) return all.filter(({ file }) => fits(file));
  const found = all.filter(({ file, content }) => file === wanted.file && content === wanted.content);
  if (found.length > 0) return found;
  const [unknown, missing] = [true, false].map((isUnsure) =>
    [...files].filter(([, one]) => one.unsure.has(wanted.content) === isUnsure).map(([cluster]) => cluster),
  );
  return [
    { ...wanted, status: 'only_some', copies: new Map(), missing: missing ?? [], unknown: unknown ?? [] },
  ];
}

async function partOf(
  cluster: GatedCluster,
  files: readonly TemplateFile[],
  args: Args,
  context: ToolContext,
): Promise<FetchPart> {
  const { url, checksum, places = {} } = args;
  const missing = files.filter((file) => file.missing.includes(cluster.name));
  const fetches = await fetchesFor(cluster, missing, { url, checksum, places });
  const without = missing
    .map(({ file }) => file)
    .filter((file) => !fetches.some((fetch) => fetch.file === file));
  if (!args.apply) return { wrote: false, fetches, fetched: new Map(), without };
  const copies = ({ file, content }: ReadyFetch) =>
    files.find((one) => one.file === file && one.content === content)?.copies ?? new Map();
  const options = { url, checksum, places, copies, waitSeconds: args.wait_seconds };
  const ready = fetches.filter(isReady);
  const fetched = await fetchAll(cluster, ready, options, context);
  return { wrote: ready.some(({ upid }) => upid === undefined), fetches, fetched, without };
}

function addFetched(files: Map<string, ClusterFiles>, cluster: string, fetched: FetchPart['fetched']): void {
  const known = files.get(cluster);
  if (known === undefined) return;
  const added = [...fetched].flatMap(([{ content }, { volume }]) =>
    volume === undefined ? [] : [fileOf(volume, content)],
  );
  files.set(cluster, { ...known, volumes: [...known.volumes, ...added] });
}
