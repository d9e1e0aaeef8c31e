import { z } from 'zod';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { defineTool, READS } from '../define.ts';
import { limitParam, textParam } from '../params.ts';
import { compact, count, noted, rowsOf, textOf } from '../results.ts';
import {
  entryRow,
  KIND_WORDS,
  nameOf,
  OBJECT_KINDS,
  objectScopeParams,
  readEntries,
  readObjects,
  requireHome,
} from './objects.ts';
import { callsOf, read, type Scope, scopeFields, scopeOf } from './scope.ts';

const MOST_ENTRIES = 200;

const row = z.object({
  name: z.string(),
  cidr: z.string().optional(),
  comment: z.string().optional(),
  entries: z.array(entryRow).optional(),
  total_entries: z.int().optional(),
  rules: z.int().optional(),
  type: z.string().optional(),
  problem: z.string().optional(),
});
type Row = z.output<typeof row>;

export const listFirewallObjects = defineTool({
  name: 'list_firewall_objects',
  title: 'List firewall objects',
  description:
    'Lists what rules can name: aliases, IP sets with entries, security groups, macros, or as `reference` all names that a rule of the guest or the datacenter may use.',
  toolset: 'firewall',
  annotations: READS,
  calls: [
    ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/aliases'),
    ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/ipset'),
    ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/ipset/{name}'),
    ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/refs'),
    ...callsOf(['datacenter'], 'GET', '/groups'),
    ...callsOf(['datacenter'], 'GET', '/macros'),
    ...callsOf(['group'], 'GET', ''),
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...objectScopeParams,
    kind: z.enum([...OBJECT_KINDS, 'macro', 'reference']),
    object: textParam(64).optional().describe('A part of their names.'),
    limit: limitParam(100, 500),
  }),
  output: z.object({ ...scopeFields, objects: z.array(row), total: z.int(), note: z.string().optional() }),
  async run(args, context) {
    const { kind, object = '', limit } = args;
    const scope = await scopeOf(context, args);
    if (kind !== 'macro' && kind !== 'reference') requireHome(scope, kind);
    const all = await namedOf(scope, kind);
    const wanted = object.toLowerCase();
    const rows = all.filter(({ name }) => name.toLowerCase().includes(wanted));
    const shown = rows.toSorted((a, b) => a.name.localeCompare(b.name)).slice(0, limit);
    const objects = await Promise.all(shown.map((one) => withContent(scope, kind, one)));
    const more =
      rows.length > shown.length ? `Showing ${shown.length}; pass object or a higher limit.` : undefined;
    return { ...scope.fields(), objects, total: rows.length, ...noted(more) };
  },
  summary({ scope, objects, total, note }) {
    const names = objects.slice(0, 10).map(({ name }) => name);
    const list = names.length === 0 ? '' : `: ${names.join(', ')}${total > names.length ? '…' : ''}`;
    return `${scope.label}: ${count(total, 'object')}${list}.${note ? ` ${note}` : ''}`;
  },
});

type Kind = (typeof OBJECT_KINDS)[number] | 'macro' | 'reference';

async function namedOf(scope: Scope, kind: Kind): Promise<Row[]> {
  if (kind === 'macro') {
    const rows = rowsOf(await read(scope.cluster, apiPath`/cluster/firewall/macros`));
    return rows.map(({ macro, descr }) => ({ name: String(macro), ...compact({ comment: textOf(descr) }) }));
  }
  if (kind === 'reference') {
    return rowsOf(await read(scope.cluster, scope.at('refs'))).map(({ ref, name, type, comment }) => ({
      name: textOf(ref) ?? String(name),
      ...compact({ type: textOf(type), comment: textOf(comment)?.trimEnd() }),
    }));
  }
  return (await readObjects(scope, kind)).map((one) => ({
    name: nameOf(one),
    ...compact({ cidr: textOf(one.cidr), comment: textOf(one.comment)?.trimEnd() }),
  }));
}

/** What a set or a group holds; what can't be read costs that one alone. */
async function withContent(scope: Scope, kind: Kind, one: Row): Promise<Row> {
  try {
    if (kind === 'ipset') {
      const entries = await readEntries(scope, one.name);
      return { ...one, entries: entries.slice(0, MOST_ENTRIES), total_entries: entries.length };
    }
    if (kind === 'group') {
      const rules = rowsOf(await read(scope.cluster, apiPath`/cluster/firewall/groups/${one.name}`));
      return { ...one, rules: rules.length };
    }
    return one;
  } catch (error) {
    const { code, message } = toCallError(error);
    return {
      ...one,
      problem: `the ${kind === 'group' ? KIND_WORDS.group : KIND_WORDS.ipset}: ${code}: ${message}`,
    };
  }
}
