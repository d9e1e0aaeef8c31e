import { z } from 'zod';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { noted } from '../results.ts';
import { ACL_CALLS, type AclEntry, aclRow, holdsOn, normalPath, readAcl } from './acl.ts';
import { subjectOf } from './identity.ts';

const BY_PATH: Order<AclEntry> = {
  value: ({ path }) => path,
  id: ({ path, who, role }) => `${path} ${who} ${role}`,
  descending: false,
};

export const listAcl = defineTool({
  name: 'list_acl',
  title: 'List access rights',
  description:
    'Lists who has which role where. `path` gives the entries that hold there, inherited ones too.',
  toolset: 'access',
  annotations: READS,
  calls: ACL_CALLS,
  input: z.strictObject({
    cluster: clusterParam,
    path: textParam().optional().describe('Such as /vms/100.'),
    who: textParam().optional().describe('User, group or token.'),
    role: textParam().optional(),
    ...listParams(100, 500),
  }),
  output: z.object({ ...selectedFields, entries: z.array(aclRow), total: z.int(), ...pagingFields }),
  async run(args, context) {
    checkCursor(args);
    const cluster = context.cluster(args.cluster);
    const wanted = args.path === undefined ? undefined : normalPath(args.path);
    const who = args.who === undefined ? undefined : subjectOf(args.who).id;
    const fitting = (await readAcl(cluster)).filter(
      (entry) =>
        (wanted === undefined || holdsOn(entry, wanted)) &&
        (who === undefined || entry.who === who) &&
        (args.role === undefined || entry.role === args.role),
    );
    const { rows, next_cursor, note } = pageOf(
      [{ cluster: cluster.name, rows: fitting }],
      BY_PATH,
      { args, isAll: false, columns: Object.keys(aclRow.shape), beside: {} },
      (entry) => ({
        ...entry,
        ...(wanted === undefined || entry.path === wanted ? {} : { inherited: true }),
      }),
    );
    return {
      ...selectionOf(cluster),
      entries: rows,
      total: fitting.length,
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(note),
    };
  },
  summary(answer) {
    const { cluster, entries, total } = answer;
    return `${cluster}: ${total} access ${total === 1 ? 'entry' : 'entries'}${showing(entries, answer)}.${remarks(answer)}`;
  },
});
