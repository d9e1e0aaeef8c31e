import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { unfitting } from '../refusals.ts';
import { noted, rowsOf } from '../results.ts';
import { sizeOf, sizeParam } from '../size.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';
import { readCeph } from './ceph.ts';
import { POOL_CALLS, type PoolRow, poolParam, poolRow, readPools } from './pools.ts';

const copies = z.int().min(1).max(7);

const input = z.strictObject({
  cluster: clusterParam,
  name: poolParam,
  size: copies.optional().describe('Copies; new: 3.'),
  min_size: copies.optional().describe('Copies needed for I/O.'),
  pg_num: z.int().min(1).max(32_768).optional(),
  pg_autoscale_mode: z.enum(['on', 'off', 'warn']).optional(),
  application: z.enum(['rbd', 'cephfs', 'rgw']).optional(),
  crush_rule: textParam().optional(),
  target_size: sizeParam('Expected, for the autoscaler.'),
  target_size_ratio: z.number().min(0).optional(),
  add_storages: z.boolean().optional().describe('New: make it a storage.'),
  erasure_coding: textParam().optional().describe('New: k=2,m=1[,…].'),
  wait_seconds: waitParam,
});

type Args = z.output<typeof input>;

const PARAMETERS = [
  ...['size', 'min_size', 'pg_num', 'pg_autoscale_mode', 'application', 'crush_rule'],
  ...['target_size', 'target_size_ratio'],
];

export const saveCephPool = defineTool({
  name: 'save_ceph_pool',
  title: 'Create or change a Ceph pool',
  description: 'Makes a Ceph pool, or changes the one of that name.',
  toolset: 'ceph',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/nodes/{node}/ceph/pool', 'name', ...PARAMETERS, 'add_storages', 'erasure-coding'],
    ['PUT', '/nodes/{node}/ceph/pool/{name}', ...PARAMETERS],
    ['GET', '/nodes/{node}/ceph/rules'],
    ...POOL_CALLS,
    ...TASK_CALLS,
  ],
  input,
  output: z.object({
    ...selectedFields,
    created: z.boolean(),
    name: z.string(),
    pool: poolRow.optional(),
    note: z.string().optional(),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run(args, context) {
    const cluster = context.cluster(args.cluster).alone();
    const { name } = args;
    const { pools, node } = await readPools(cluster);
    const known = pools.find((pool) => pool.name === name);
    const wrong = wrongWith(args, known);
    if (wrong !== undefined) throw unfitting(`${wrong}.`);
    await requireRule(cluster, node, args.crush_rule);
    const request =
      known === undefined
        ? {
            path: apiPath`/nodes/${node}/ceph/pool`,
            data: { name, ...optionsOf(args), ...newOptionsOf(args) },
          }
        : { path: apiPath`/nodes/${node}/ceph/pool/${name}`, data: optionsOf(args) };
    const method = known === undefined ? 'POST' : 'PUT';
    const outcome = await runTask(cluster, { method, ...request }, args.wait_seconds, context);
    const isOver = outcome.task === undefined || outcome.task.status === 'ok';
    const after = isOver ? await readPools(cluster).catch(() => undefined) : undefined;
    const pool = after?.pools.find((one) => one.name === name);
    return {
      ...selectionOf(cluster),
      created: known === undefined,
      name,
      ...outcome,
      ...(pool === undefined ? {} : { pool }),
      ...noted(risky(args, known)),
    };
  },
  summary({ cluster, created, name, note = '', task }) {
    const what = taskSentence(
      `The Ceph pool ${quoted(name)} of ${cluster}`,
      created ? 'made' : 'changed',
      task,
    );
    return `${what}${note && ` ${note}`}`;
  },
});

function wrongWith(
  { size, min_size, add_storages, erasure_coding, ...rest }: Args,
  known: PoolRow | undefined,
) {
  const most = size ?? known?.size ?? 3;
  const least = min_size ?? known?.min_size ?? 2;
  const isErasure = erasure_coding !== undefined || known?.type === 'erasure';
  if (!isErasure && least > most)
    return `min_size ${least} is more than size ${most}: nothing could be written`;
  if (erasure_coding !== undefined && size !== undefined)
    return 'erasure_coding decides the copies: leave size out';
  if (known === undefined) return undefined;
  if (add_storages !== undefined || erasure_coding !== undefined) {
    return `The pool ${quoted(known.name)} is there: add_storages and erasure_coding are for new ones (create_storage adds a storage)`;
  }
  const { cluster: _cluster, name: _name, wait_seconds: _wait, ...options } = { ...rest, size, min_size };
  const isEmpty = Object.values(options).every((value) => value === undefined);
  return isEmpty ? `The pool ${quoted(known.name)} is there, and nothing of it is to be changed` : undefined;
}

function optionsOf({ target_size, ...args }: Args) {
  const { size, min_size, pg_num, pg_autoscale_mode, application, crush_rule, target_size_ratio } = args;
  const bytes = target_size === undefined ? undefined : sizeOf(target_size);
  return {
    ...{ size, min_size, pg_num, pg_autoscale_mode, application, crush_rule, target_size_ratio },
    target_size: bytes === undefined ? undefined : String(bytes),
  };
}

function newOptionsOf({ add_storages, erasure_coding }: Args) {
  return { add_storages, 'erasure-coding': erasure_coding };
}

async function requireRule(cluster: GatedCluster, node: string, rule: string | undefined): Promise<void> {
  if (rule === undefined) return;
  const names = rowsOf(await readCeph(cluster, node, 'rules')).map(({ name }) => String(name));
  if (names.includes(rule)) return;
  throw unfitting(
    `${quoted(rule)} is no CRUSH rule of ${cluster.name}; it has ${someOf(names.map(quoted))}.`,
  );
}

/** What Ceph allows, and people regret. */
function risky({ size, min_size, pg_num }: Args, known: PoolRow | undefined): string | undefined {
  const copies = size ?? known?.size ?? 3;
  const notes = [
    ...(size !== undefined && copies < 3 ? [`With ${copies} copies one failed disk may cost data.`] : []),
    ...(min_size === 1 ? ['With min_size 1 the last copy is still written to: data can be lost.'] : []),
    ...(pg_num !== undefined && !Number.isInteger(Math.log2(pg_num))
      ? ['pg_num is best a power of two.']
      : []),
  ];
  return notes.length === 0 ? undefined : notes.join(' ');
}
