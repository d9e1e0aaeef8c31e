import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam, storageParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { inWords } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import {
  algorithmOf,
  checksumParam,
  contentOfName,
  FILE_CALLS,
  fileContentParam,
  normalised,
  present,
  requireEnding,
  volidOf,
} from './files.ts';
import { PLACE_CALLS, placeFor, requireSpace } from './place.ts';

/** A call of 4 MiB is the largest that the doors take; base64 makes four characters of three bytes. */
const MOST_BYTES = 3_000_000;

export const uploadToStorage = defineTool({
  name: 'upload_to_storage',
  title: 'Upload to storage',
  description:
    'Puts a small file (3 MB at most, in this call) on a storage: ISO, container template or disk image. Larger ones: download_to_storage.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    [
      'POST',
      '/nodes/{node}/storage/{storage}/upload',
      'content',
      'filename',
      'checksum',
      'checksum-algorithm',
    ],
    ...FILE_CALLS,
    ...PLACE_CALLS,
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    filename: textParam(255),
    data: textParam(Math.ceil(MOST_BYTES / 3) * 4 + 100_000).describe('Base64.'),
    content: fileContentParam,
    storage: storageParam,
    node: nodeParam,
    checksum: checksumParam,
    overwrite: z.boolean().default(false),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    volid: z.string(),
    node: z.string(),
    size_bytes: z.int(),
    sha256: z.string(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds) + 60,
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const refuse = refuser(cluster.name);
    const filename = normalised(args.filename);
    const content = args.content ?? contentOfName(filename) ?? 'iso';
    requireEnding(cluster.name, filename, content);
    const file = fileOf(cluster.name, args);
    const place = await placeFor(cluster, { storage: args.storage, node: args.node, content });
    requireSpace(cluster.name, place, file.length);
    const volid = volidOf(place, content, filename);
    if (!args.overwrite && (await present(cluster, place, content, volid)) !== undefined) {
      throw refuse(
        'CONFLICT',
        `${quoted(volid)} is there already.`,
        'Choose another name, or pass overwrite: true where that file is to go.',
      );
    }
    // Ours in any case: Proxmox checks it behind the way there, and an approval holds for this very file.
    const sha256 = digestOf(file, 'sha256');
    const { node, storage } = place;
    const request: GateRequest = {
      method: 'POST',
      path: apiPath`/nodes/${node}/storage/${storage}/upload`,
      data: { content, filename, checksum: sha256, 'checksum-algorithm': 'sha256' },
      file,
    };
    const outcome = await runTask(cluster, request, args.wait_seconds, context);
    return { ...selectionOf(cluster), volid, node, size_bytes: file.length, sha256, ...outcome };
  },
  summary({ cluster, volid, node, size_bytes, task }) {
    return taskSentence(
      `${quoted(volid)} (${inWords(size_bytes)})`,
      `uploaded to ${node} of ${cluster}`,
      task,
    );
  },
});

/** @throws CallError INVALID_ARGUMENTS for what is no file, too much, or not what its checksum says */
function fileOf(
  cluster: string,
  { data, checksum }: { data: string; checksum?: string | undefined },
): Uint8Array {
  const refuse = refuser(cluster);
  const file = bytesOf(data);
  if (file === undefined || file.length === 0 || file.length > MOST_BYTES) {
    const what = file === undefined ? 'is no base64' : `holds ${inWords(file.length)}`;
    throw refuse(
      'INVALID_ARGUMENTS',
      `\`data\` ${what}; a file of 1 byte to ${inWords(MOST_BYTES)} is taken.`,
      'For larger files use download_to_storage with a URL that the node reaches.',
    );
  }
  if (checksum === undefined || digestOf(file, algorithmOf(checksum) ?? '') === checksum.toLowerCase())
    return file;
  throw refuse(
    'INVALID_ARGUMENTS',
    'The checksum is not that of the file in `data`.',
    'The file was cut or changed on its way here: read and encode it again.',
  );
}

/** @returns undefined for what is no base64, which Node would read in part */
function bytesOf(data: string): Uint8Array | undefined {
  const text = data.replaceAll(/\s+/g, '');
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, 'base64');
}

function digestOf(file: Uint8Array, algorithm: string): string {
  return createHash(algorithm).update(file).digest('hex');
}
