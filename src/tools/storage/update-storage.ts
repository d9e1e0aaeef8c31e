import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { keepParam } from '../retention.ts';
import {
  contentsParam,
  DEFINITION_CALLS,
  type Definition,
  optionsParam,
  requireDefinition,
  requireNodes,
  storageIdParam,
} from './definition.ts';
import { CHANGE_OPTIONS, changeOptions, isKind, requireContent } from './kinds.ts';

const input = z.strictObject({
  cluster: clusterParam,
  storage: storageIdParam,
  enabled: z.boolean().optional(),
  content: contentsParam.describe('Takes the place of what it may hold now.'),
  nodes: z.array(textParam(63)).optional().describe('Empty: all.'),
  prune_backups: keepParam.optional(),
  options: optionsParam.optional(),
  reset: z.array(textParam(40)).max(30).optional().describe('Options to set back, such as prune-backups.'),
  digest: textParam(64).optional(),
});

type Args = z.output<typeof input>;

export const updateStorage = defineTool({
  name: 'update_storage',
  title: 'Change storage',
  description:
    'Changes the definition of a storage: enabled or not, content, nodes, prune policy, options, passwords. Where the data is can not be changed.',
  toolset: 'storage',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    [
      ...([
        'PUT',
        '/storage/{storage}',
        'content',
        'nodes',
        'disable',
        'prune-backups',
        'delete',
        'digest',
      ] as const),
      ...CHANGE_OPTIONS,
    ],
    ['GET', '/cluster/resources'],
    ...DEFINITION_CALLS,
  ],
  input,
  output: z.object({
    ...selectedFields,
    storage: z.string(),
    type: z.string(),
    changed: z.array(z.string()),
  }),
  async run(args, context) {
    const { storage, digest } = args;
    const cluster = context.cluster(args.cluster).alone();
    const [definition] = await Promise.all([
      requireDefinition(cluster, storage),
      requireNodes(cluster, args.nodes),
    ]);
    const refuse = refuser(cluster.name);
    if (digest !== undefined && digest !== definition.digest) {
      throw refuse(
        'CONFLICT',
        'The storages were changed since this digest was read.',
        'Read it again with get_storage and decide anew.',
      );
    }
    const { data, removed } = changesOf(args, definition);
    const changed = [...Object.keys(data), ...removed];
    if (changed.length === 0) {
      throw refuse('INVALID_ARGUMENTS', 'Nothing to change was given.', 'Pass what is to be changed.');
    }
    await cluster.request({
      method: 'PUT',
      path: apiPath`/storage/${storage}`,
      data: {
        ...data,
        ...(removed.length === 0 ? {} : { delete: removed.join(',') }),
        // Somebody else's change since it was read must not be undone.
        digest: definition.digest,
      },
    });
    return { ...selectionOf(cluster), storage, type: definition.type, changed };
  },
  summary({ cluster, storage, changed }) {
    return `The storage ${quoted(storage)} of ${cluster} was changed: ${someOf(changed, 20)}.`;
  },
});

/** @throws CallError INVALID_ARGUMENTS */
function changesOf(args: Args, { type }: Definition) {
  const { enabled, content, nodes, prune_backups, options = {}, reset = [] } = args;
  requireContent(type, content);
  const common = reset.filter((name) => ['prune-backups', 'nodes', 'content'].includes(name));
  const own = reset.filter((name) => !common.includes(name));
  // The options of types that these tools don't know are Proxmox' to judge.
  const changes = isKind(type) ? changeOptions(type, options, own) : { options, removed: own };
  return {
    data: {
      ...changes.options,
      ...(content === undefined ? {} : { content: content.join(',') }),
      ...(nodes === undefined || nodes.length === 0 ? {} : { nodes: nodes.join(',') }),
      ...(prune_backups === undefined ? {} : { 'prune-backups': prune_backups }),
      ...(enabled === undefined ? {} : { disable: !enabled }),
    },
    removed: [...common, ...changes.removed, ...(nodes?.length === 0 ? ['nodes'] : [])],
  };
}
