import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import {
  descriptionParam,
  expecting,
  ifReadable,
  readSnapshots,
  requireSnapshot,
  snapshotCalls,
  snapshotParam,
} from './snapshots.ts';

export const updateSnapshot = defineTool({
  name: 'update_snapshot',
  title: 'Update snapshot',
  description: 'Changes the description of a snapshot.',
  toolset: 'snapshots',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', '/cluster/resources'],
    ...snapshotCalls(['GET', '/snapshot'], ['PUT', '/snapshot/{snapname}/config', 'description']),
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...guestParams, snapshot: snapshotParam, description: descriptionParam }),
  output: z.object({ ...guestFields, snapshot: z.string(), description: z.string() }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const { snapshot, description } = args;
    const found = await ifReadable(readSnapshots(target));
    if (found !== undefined) requireSnapshot(found, snapshot, target);
    await target.cluster.request({
      method: 'PUT',
      path: target.at('snapshot', snapshot, 'config'),
      data: { description },
      ...expecting(args.name),
    });
    return { ...target.fields(), snapshot, description };
  },
  summary(result) {
    const { snapshot, description } = result;
    const now = description === '' ? 'has no description now' : 'has a new description';
    return `Snapshot ${quoted(snapshot)} of ${guestLabel(result)} ${now}.`;
  },
});
