import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { storagesToRead } from '../../access/storage-sight.ts';
import { number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { scopeOf } from '../guest-scope.ts';
import { selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { compact, count, isoTime, noted, rowsOf, textOf } from '../results.ts';
import { keepParam, parseRetention, type Retention } from '../retention.ts';
import { TASK_CALLS, taskDeadline, waitParam } from '../task.ts';
import { reasonsOf } from './keep.ts';
import { scopeParams } from './scope.ts';
import { type NodeRequest, nodesInWords, nodeTasks, runOnNodes } from './several.ts';

/** Rows that an answer shows; the totals are of all. */
const MOST_ROWS = 200;

const input = z.strictObject({
  ...scopeParams,
  storage: textParam(100),
  node: nodeParam,
  keep: keepParam
    .optional()
    .describe(
      "Such as keep-last=3,keep-daily=7 (hourly, weekly, monthly, yearly); default: the storage's rule.",
    ),
  apply: z.boolean().default(false).describe('Delete; else it is a preview.'),
  wait_seconds: waitParam,
});

type Args = z.output<typeof input>;

const prunedRow = z.object({
  volid: z.string(),
  vmid: z.int().optional(),
  node: z.string().optional(),
  made_at: z.string().optional(),
  mark: z.enum(['keep', 'remove', 'protected', 'renamed']),
  why: z.string(),
});

const PATH = '/nodes/{node}/storage/{storage}/prunebackups';

export const pruneBackups = defineTool({
  name: 'prune_backups',
  title: 'Prune backups',
  description:
    'Shows which backups on a storage a retention rule would keep or remove, and why; with `apply` removes them.',
  toolset: 'backups',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['GET', PATH, 'prune-backups', 'vmid'],
    ['DELETE', PATH, 'prune-backups', 'vmid'],
    ['GET', '/storage/{storage}'],
    ['GET', '/cluster/resources'],
    ...TASK_CALLS,
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...selectedFields,
    applied: z.boolean(),
    rule: z.string(),
    backups: z.array(prunedRow),
    total: z.int(),
    removed: z.int().describe('That go, or went.'),
    tasks: nodeTasks.optional(),
    note: z.string().optional(),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const scope = await scopeOf(context, args);
    const cluster = scope.cluster.alone();
    const [places, rule] = await Promise.all([placesOf(cluster, args), ruleOf(cluster, args)]);
    const lists = await Promise.all(
      places.map(({ node, shared }) => preview(cluster, { ...args, node, shared, vmid: scope.vmid, rule })),
    );
    const rows = lists.flat();
    const gone = rows.filter(isGone);
    const requests = places
      .filter((_place, index) => lists[index]?.some(isGone))
      .map(({ node }): NodeRequest => {
        const data = { 'prune-backups': args.keep, vmid: scope.vmid };
        return { node, request: { method: 'DELETE', path: pathOf(node, args.storage), data } };
      });
    const isApplied = args.apply && requests.length > 0;
    const tasks = isApplied ? await runOnNodes(cluster, requests, args.wait_seconds, context) : [];
    const stayed = places.flatMap(({ node }, index) => {
      const isFailed = tasks.some((row) => row.node === node && row.error !== undefined);
      return isFailed ? (lists[index] ?? []).filter(isGone) : [];
    });
    const shown = [...gone, ...rows.filter(({ mark }) => mark !== 'remove')].slice(0, MOST_ROWS);
    return {
      ...selectionOf(cluster),
      applied: isApplied,
      rule: rule.text,
      backups: shown,
      total: rows.length,
      removed: gone.length - stayed.length,
      ...(isApplied ? { tasks } : {}),
      ...noted(
        shown.length < rows.length
          ? `${shown.length} of ${rows.length} backups are shown; pass vmid.`
          : undefined,
      ),
    };
  },
  summary({ cluster, applied, rule, total, removed, tasks, note }) {
    const said = `${removed} of ${count(total, 'backup')} of ${cluster} ${applied ? 'are removed' : 'would be removed'} by ${quoted(rule)}.`;
    const next = applied || removed === 0 ? '' : ' Nothing was changed; `apply: true` removes them.';
    return `${said}${next}${nodesInWords(tasks ?? [])}${note === undefined ? '' : ` ${note}`}`;
  },
});

function isGone({ mark }: { mark: string }): boolean {
  return mark === 'remove';
}

function pathOf(node: string, storage: string) {
  return apiPath`/nodes/${node}/storage/${storage}/prunebackups`;
}

/** Where the storage is pruned: a shared one once, a local one on each node, or the one that is named. */
async function placesOf(cluster: GatedCluster, { storage, node }: Args) {
  const { storages } = await cluster.inventory();
  const rows = storages.filter((row) => row.storage === storage && row.content.includes('backup'));
  const here = storagesToRead(rows.filter((row) => node === undefined || row.node === node));
  const usable = here.filter(({ status }) => status === 'available');
  if (usable.length > 0 && usable.length === here.length) return usable;
  const down = here.filter((row) => !usable.includes(row)).map((row) => quoted(row.node));
  throw refuser(cluster.name)(
    'INVALID_ARGUMENTS',
    down.length > 0
      ? `The storage ${quoted(storage)} is not available on ${down.join(', ')}.`
      : `${cluster.name} has no storage ${quoted(storage)} that holds backups${node === undefined ? '' : ` on ${quoted(node)}`}.`,
    down.length > 0 && usable.length > 0
      ? 'Name a `node` where it is.'
      : 'list_storage with content=backup shows them.',
  );
}

interface Rule {
  text: string;
  /** Undefined where the storage's own rule is not known. */
  retention: Retention | undefined;
}

/** The rule that is given, or what the storage says of itself. */
async function ruleOf(cluster: GatedCluster, { keep, storage }: Args): Promise<Rule> {
  if (keep !== undefined) return { text: keep, retention: parseRetention(keep) };
  const definition = await cluster
    .request({ method: 'GET', path: apiPath`/storage/${storage}` })
    .then(({ data }) => rowsOf([data])[0])
    // Reading a definition takes Datastore.Allocate; the preview needs less.
    .catch(() => undefined);
  if (definition === undefined) return { text: "the storage's own rule", retention: undefined };
  const text = textOf(definition['prune-backups']) ?? 'keep-all=1';
  return { text, retention: parseRetention(text) };
}

interface Preview extends Args {
  node: string;
  shared: boolean;
  rule: Rule;
}

async function preview(cluster: GatedCluster, { node, shared, storage, keep, vmid, rule }: Preview) {
  const { data } = await cluster.request({
    method: 'GET',
    path: pathOf(node, storage),
    data: { 'prune-backups': keep, vmid },
  });
  const marked = rowsOf(data).map((row) => ({
    volid: String(row.volid),
    vmid: number(row.vmid),
    type: String(row.type),
    madeAt: (number(row.ctime) ?? 0) * 1000,
    mark: markOf(row.mark),
  }));
  const groups = Map.groupBy(marked, ({ type, vmid: guest }) => `${type}/${guest}`);
  const { retention } = rule;
  return [...groups.values()].flatMap((group) => {
    const reasons = retention === undefined ? undefined : reasonsOf(group, retention);
    return group
      .toSorted((a, b) => b.madeAt - a.madeAt)
      .map(({ volid, vmid: guest, madeAt, mark }) => ({
        volid,
        ...compact({
          vmid: guest,
          node: shared ? undefined : node,
          made_at: madeAt > 0 ? isoTime(madeAt) : undefined,
        }),
        mark,
        why: whyOf(mark, reasons?.get(volid), retention),
      }));
  });
}

function markOf(mark: unknown): 'keep' | 'remove' | 'protected' | 'renamed' {
  return mark === 'remove' || mark === 'protected' || mark === 'renamed' ? mark : 'keep';
}

function whyOf(
  mark: 'keep' | 'remove' | 'protected' | 'renamed',
  period: string | undefined,
  retention: Retention | undefined,
): string {
  switch (mark) {
    case 'protected':
      return 'protected; it counts for no rule';
    case 'renamed':
      return 'its name is not one of vzdump';
    case 'remove':
      return 'no part of the rule keeps it';
    case 'keep':
      if (period !== undefined) return `keep-${period}`;
      return retention?.all ? 'keep-all' : 'the rule keeps it';
  }
}
