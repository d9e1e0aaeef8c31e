import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { noted } from '../results.ts';
import { keepParam } from '../retention.ts';
import {
  contentsParam,
  DEFINITION_CALLS,
  optionsParam,
  readDefinitions,
  requireNodes,
} from './definition.ts';
import { CREATION_OPTIONS, creationOptions, requireContent, STORAGE_KINDS } from './kinds.ts';

const NAME = /^[a-z][a-z0-9\-_.]*[a-z0-9]$/i;

export const createStorage = defineTool({
  name: 'create_storage',
  title: 'Create storage',
  description:
    'Defines a storage for the whole cluster. Proxmox mounts or opens it at once, which fails where it is not reached.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    [
      'POST',
      '/storage',
      'storage',
      'type',
      'content',
      'nodes',
      'disable',
      'prune-backups',
      ...CREATION_OPTIONS,
    ],
    ['GET', '/cluster/resources'],
    ...DEFINITION_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    storage: textParam(100).refine(
      (text) => NAME.test(text),
      'must begin with a letter, and hold letters, digits, - _ and . alone',
    ),
    type: z.enum(STORAGE_KINDS),
    options: optionsParam
      .default({})
      .describe(
        "By Proxmox' names. dir: path; nfs: server, export; cifs: server, share, username, password; lvm: vgname; lvmthin: vgname, thinpool; zfspool: pool; pbs: server, datastore, username, password, fingerprint; cephfs: monhost, keyring; rbd: pool; iscsi: portal, target; and others.",
      ),
    content: contentsParam,
    nodes: z.array(textParam(63)).min(1).optional().describe('Default: all.'),
    prune_backups: keepParam.optional().describe('Such as keep-last=3,keep-daily=7.'),
    enabled: z.boolean().default(true),
  }),
  output: z.object({
    ...selectedFields,
    storage: z.string(),
    type: z.string(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const { storage, type, content, nodes, prune_backups, enabled } = args;
    requireContent(type, content);
    const options = creationOptions(type, args.options);
    const cluster = context.cluster(args.cluster).alone();
    const [definitions] = await Promise.all([readDefinitions(cluster), requireNodes(cluster, nodes)]);
    if (definitions.some((one) => one.storage === storage)) {
      throw refuser(cluster.name)(
        'CONFLICT',
        `${cluster.name} has a storage ${quoted(storage)} already.`,
        'get_storage shows it; update_storage changes it. Or choose another name.',
      );
    }
    await cluster.request({
      method: 'POST',
      path: apiPath`/storage`,
      data: {
        storage,
        type,
        ...options,
        content: content?.join(','),
        nodes: nodes?.join(','),
        'prune-backups': prune_backups,
        disable: enabled ? undefined : true,
      },
    });
    return { ...selectionOf(cluster), storage, type, ...noted(keyNote(options['encryption-key'])) };
  },
  summary({ cluster, storage, type, note }) {
    const more = note === undefined ? '' : ` ${note}`;
    return `The ${type} storage ${quoted(storage)} of ${cluster} was created; get_storage shows its state on each node.${more}`;
  },
});

/** The answer of Proxmox would hold the key; it is a secret, and goes no further. */
function keyNote(key: unknown): string | undefined {
  if (key === undefined) return undefined;
  return 'Keep a copy of the encryption key, which is in /etc/pve/priv/storage on each node: without it the backups are lost.';
}
