import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { remarks, someOf } from '../fleet.ts';
import { kindFields, kindPage, kindParams } from '../kind-list.ts';
import { checkCursor, listParams, showing } from '../paging.ts';
import { count } from '../results.ts';
import { ACCESS_KINDS, ACCESS_LIST_CALLS, detailsOf, readAccess } from './access-lists.ts';

export const listAccess = defineTool({
  name: 'list_access',
  title: 'List groups, roles, realms or pools',
  description:
    'Lists groups with members, roles with privileges, realms, or pools with guests. `name` gives one with all: options of a realm, storages of a pool.',
  toolset: 'access',
  annotations: READS,
  calls: ACCESS_LIST_CALLS,
  input: z.strictObject({ ...kindParams(ACCESS_KINDS), ...listParams(50, 500) }),
  output: z.object(kindFields(ACCESS_KINDS)),
  async run(args, context) {
    checkCursor(args);
    const { kind, name } = args;
    const cluster = context.cluster(args.cluster);
    const all = await readAccess(cluster, kind);
    const fitting = all.filter((row) => name === undefined || row.name === name);
    if (name !== undefined && fitting.length === 0) {
      throw new CallError('NOT_FOUND', `${cluster.name} has no ${kind.slice(0, -1)} ${inQuotes(name)}.`, {
        cluster: cluster.name,
        hint: `It has: ${someOf(all.map((row) => row.name).sort(), 30) || 'none that the token sees'}.`,
      });
    }
    const [only] = fitting;
    const details =
      name === undefined || only === undefined ? undefined : await detailsOf(cluster, kind, only);
    return kindPage(cluster, args, details === undefined ? fitting : [details.row], details?.problem);
  },
  summary(answer) {
    const { cluster, kind, rows, total } = answer;
    return `${cluster}: ${count(total, kind.slice(0, -1))}${showing(rows, answer)}.${remarks(answer)}`;
  },
});
