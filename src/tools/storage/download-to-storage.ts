import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact, noted } from '../results.ts';
import { inWords } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import {
  DOWNLOAD_CALLS,
  type Download,
  downloadRequest,
  guessContent,
  metadataOf,
  metadataRequest,
  nameFor,
  nameInUrl,
} from './download.ts';
import {
  checksumParam,
  FILE_CALLS,
  fileContentParam,
  isFitting,
  normalised,
  present,
  requireEnding,
  volidOf,
} from './files.ts';
import { PLACE_CALLS, type Place, placeFor, requireSpace } from './place.ts';

const UNCHECKED = 'Without a checksum nobody knows whether this is the file that was meant.';

export const downloadToStorage = defineTool({
  name: 'download_to_storage',
  title: 'Download to storage',
  description:
    'Has the node fetch an ISO, container template or disk image from a URL, checks its checksum. Overwrites nothing.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [...DOWNLOAD_CALLS, ...FILE_CALLS, ...PLACE_CALLS, ...TASK_CALLS],
  input: z.strictObject({
    cluster: clusterParam,
    url: textParam(2000),
    content: fileContentParam,
    filename: textParam(255).optional(),
    storage: storageParam,
    node: nodeParam,
    checksum: checksumParam.describe('Hexadecimal.'),
    compression: z.enum(['gz', 'lzo', 'zst', 'bz2']).optional().describe('To unpack.'),
    verify_certificates: z.boolean().default(true),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    volid: z.string(),
    node: z.string(),
    size_bytes: z.number().optional(),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const { url, checksum, compression, verify_certificates: verifyCertificates } = args;
    const cluster = context.cluster(args.cluster).alone();
    const inUrl = nameInUrl(cluster.name, url);
    const given = args.filename === undefined ? inUrl : normalised(args.filename);
    const content = args.content ?? guessContent(given) ?? 'iso';
    const place = await placeFor(cluster, { storage: args.storage, node: args.node, content });
    const download = { url, content, checksum, compression, verifyCertificates };
    const metadata = metadataRequest(place.node, download);
    const named = given === undefined ? undefined : nameFor(given, content, compression);
    const isKnown = named !== undefined && (args.filename !== undefined || isFitting(named, content));
    if (isKnown) {
      await requireNew(cluster, place, { ...download, filename: named });
      // One approval for both, as the name is known before the node is asked.
      await cluster.approve([metadata, downloadRequest(place, { ...download, filename: named })]);
    }
    const found = await metadataOf(cluster, metadata);
    const told = () => nameFor(normalised(found.filename ?? given ?? ''), content, compression);
    const wanted = { ...download, filename: isKnown ? named : told() };
    if (!isKnown) await requireNew(cluster, place, wanted);
    requireSpace(cluster.name, place, found.bytes);
    const volid = volidOf(place, content, wanted.filename);
    const request = downloadRequest(place, wanted);
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return {
      ...selectionOf(cluster),
      volid,
      node: place.node,
      ...compact({ size_bytes: found.bytes }),
      ...noted(checksum === undefined ? UNCHECKED : undefined),
      ...outcome,
    };
  },
  summary({ cluster, volid, node, size_bytes, task, note }) {
    const size = size_bytes === undefined ? '' : ` (${inWords(size_bytes)})`;
    const done = taskSentence(`${quoted(volid)}${size}`, `downloaded to ${node} of ${cluster}`, task);
    return `${done}${note ? ` ${note}` : ''}`;
  },
});

/** @throws CallError for a name that does not say what it is, and for one that is taken */
async function requireNew(
  cluster: GatedCluster,
  place: Place,
  { content, filename }: Pick<Download, 'content' | 'filename'>,
): Promise<void> {
  requireEnding(cluster.name, filename, content);
  const volid = volidOf(place, content, filename);
  if ((await present(cluster, place, content, volid)) === undefined) return;
  throw refuser(cluster.name)(
    'CONFLICT',
    `${quoted(volid)} is there already.`,
    'Use it, or pass another `filename`; delete_volume removes it.',
  );
}
