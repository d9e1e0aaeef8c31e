import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { bound } from '../bounded.ts';
import { defineTool, READS, type ToolContext } from '../define.ts';
import { type FleetAnswer, fleetFields, fleetSelection, remarks, someOf, whose } from '../fleet.ts';
import { askInventories, freshParam, INVENTORY_CALLS, nothingSeen, type Told } from '../inventories.ts';
import { clusterParam, limitParam, textParam } from '../params.ts';
import { count, isoTime, noted, rowsOf } from '../results.ts';
import { inWords, sizeOf, sizeParam } from '../size.ts';
import { addUp, type Capacity, capacityOf } from './capacity.ts';
import { checkBridges } from './default-bridge.ts';
import { fits, type Place, rankPlaces, type Wanted } from './placement.ts';
import { topConsumers } from './top-consumers.ts';

const TOP = 5;
const PLACES = 5;
/** With the clusters and the rest, about what clients take whole. */
const NODES_CHARACTERS = 22_000;
const STORAGES_CHARACTERS = 14_000;

const CUT = 'Not all nodes and storages are shown, but the fullest: name a cluster, or raise `limit`.';

const input = z.strictObject({
  cluster: clusterParam,
  cpus: z
    .int()
    .min(1)
    .refine((cpus) => cpus <= 8192, 'are more than 8192')
    .optional(),
  memory: sizeParam('8G'),
  disk: sizeParam('100G'),
  type: z.enum(['qemu', 'lxc']).default('qemu'),
  storage: textParam().optional(),
  limit: limitParam(50, 200),
  fresh: freshParam,
});

type Input = z.output<typeof input>;

const bytesOrCount = z.record(z.string(), z.number());

const place = z.object({
  cluster: z.string(),
  node: z.string(),
  storage: z.string().optional(),
  score: z.number().describe('0 to 100, and up to 30 more for the defaults of a cluster.'),
  for: z.array(z.string()),
  against: z.array(z.string()).optional(),
});

const nearPlace = z.looseObject({ cluster: z.string(), node: z.string(), lacks: z.array(z.string()) });

export const clusterCapacity = defineTool({
  name: 'cluster_capacity',
  title: 'Capacity of clusters',
  description:
    'CPU, memory and storage of all clusters or of one: used, allocated, free, overcommitted, top consumers. With the size of a new guest it ranks where it fits best, and why.',
  toolset: 'inventory',
  annotations: READS,
  calls: [...INVENTORY_CALLS, ['GET', '/nodes/{node}/network', 'type']],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    totals: bytesOrCount.describe(
      'Over all clusters, guests without templates; a storage that two clusters see counts in each.',
    ),
    clusters: z.array(z.looseObject({ cluster: z.string(), as_of: z.string() })),
    nodes: z.array(z.looseObject({})),
    nodes_total: z.int(),
    storages: z.array(z.looseObject({})),
    storages_total: z.int(),
    top: z.object({
      cpu: z.array(z.looseObject({})),
      memory: z.array(z.looseObject({})),
      disk: z.array(z.looseObject({})).describe('By size of the boot disk or root file system.'),
    }),
    fits: z.array(place).optional().describe('Where the guest fits, best first.'),
    fits_total: z.int().optional(),
    nearest: z.array(nearPlace).optional().describe('It fits nowhere: what the nearest places lack.'),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const wanted = wantedOf(args);
    const fleet = context.fleet(args.cluster);
    const { answers: told, failed } = await askInventories(fleet, context, args.fresh);
    const answers = told.map(({ cluster, answer }) => ({
      cluster,
      answer: { ...answer, capacity: capacityOf(answer.inventory) },
    }));
    const found = await places(wanted, answers, context);
    const lists = listsOf(answers);
    const nodes = rowsOf(bound(lists.nodes, args, NODES_CHARACTERS).data);
    const storages = rowsOf(bound(lists.storages, args, STORAGES_CHARACTERS).data);
    const isCut = nodes.length < lists.nodes.length || storages.length < lists.storages.length;
    return {
      ...fleetSelection(fleet, failed),
      totals: { ...addUp(answers.map(({ answer }) => answer.capacity.sums)) },
      clusters: lists.clusters,
      nodes,
      nodes_total: lists.nodes.length,
      storages,
      storages_total: lists.storages.length,
      top: topConsumers(lists.guests, TOP),
      ...found.answer,
      ...noted(nothingSeen(told), mute(answers), found.note, isCut ? CUT : undefined),
    };
  },
  summary(answer) {
    const { totals, fits: best, fits_total, nearest } = answer;
    const [memory, free] = [totals.max_mem_bytes ?? 0, totals.free_mem_bytes ?? 0];
    const figures = `${count(totals.nodes ?? 0, 'node')}, ${totals.cpus ?? 0} CPUs, ${inWords(free)} of ${inWords(memory)} memory and ${inWords(totals.storage_free_bytes ?? 0)} of ${inWords(totals.storage_total_bytes ?? 0)} storage free`;
    return `${whose(answer)}: ${figures}.${verdict(best, fits_total, nearest)}${remarks(answer)}`;
  },
});

interface Looked extends Told {
  capacity: Capacity;
}

/** The rows of all clusters, each with its cluster's name; the fullest nodes and storages first. */
function listsOf(answers: readonly FleetAnswer<Looked>[]) {
  const each = <T>(of: (answer: Looked) => readonly T[]) =>
    answers.flatMap(({ cluster, answer }) =>
      of(answer).map((row) => ({ cluster: sourceOf(cluster), ...row })),
    );
  return {
    clusters: answers.map(({ cluster, answer: { capacity, inventory } }) => ({
      cluster: sourceOf(cluster),
      as_of: isoTime(inventory.asOf),
      ...capacity.sums,
    })),
    nodes: each(({ capacity }) => capacity.nodes).sort(
      (a, b) => share(b.mem_bytes, b.max_mem_bytes) - share(a.mem_bytes, a.max_mem_bytes),
    ),
    storages: each(({ capacity }) => capacity.storages).sort(
      (a, b) => share(b.used_bytes, b.total_bytes) - share(a.used_bytes, a.total_bytes),
    ),
    guests: answers.flatMap(({ cluster, answer }) =>
      answer.inventory.guests.map((guest) => ({ cluster: sourceOf(cluster), guest })),
    ),
  };
}

/** Whose figures these are: a fallback answers with its own. */
function sourceOf({ name, servedBy }: GatedCluster): string {
  return servedBy ?? name;
}

function share(part: number | undefined, whole: number | undefined): number {
  return part === undefined || whole === undefined || whole <= 0 ? -1 : part / whole;
}

async function places(
  wanted: Wanted | undefined,
  answers: readonly FleetAnswer<Looked>[],
  context: ToolContext,
) {
  if (wanted === undefined) return { answer: {} };
  const away = answers.find(({ cluster }) => cluster.servedBy !== undefined)?.cluster;
  if (away !== undefined) {
    const note = `${away.name} is not reachable, so no place is proposed: the figures are those of ${away.servedBy}.`;
    return { answer: {}, note };
  }
  const sites = answers.map(({ cluster, answer }) => ({
    cluster: cluster.name,
    settings: cluster.settings,
    capacity: answer.capacity,
    storages: answer.inventory.storages,
  }));
  const ranked = rankPlaces(sites, wanted);
  const fitting = ranked.filter(fits);
  if (fitting.length === 0) {
    const nearest = ranked.slice(0, PLACES).map(({ cluster, node, storage, lacks }) => ({
      cluster,
      node,
      ...(storage === undefined ? {} : { storage }),
      lacks,
    }));
    return { answer: { fits: [], fits_total: 0, nearest } };
  }
  const clusters = answers.map(({ cluster }) => cluster.alone());
  const { best, notes } = await checkBridges(fitting.slice(0, PLACES), clusters, context.signal);
  const note = notes.join(' ') || undefined;
  return { answer: { fits: best.map(shown), fits_total: fitting.length }, note };
}

/** @throws CallError INVALID_ARGUMENTS for a storage without anything to put on it */
function wantedOf({ cpus, memory, disk, type, storage }: Input): Wanted | undefined {
  if (cpus === undefined && memory === undefined && disk === undefined) {
    if (storage === undefined) return undefined;
    throw new CallError('INVALID_ARGUMENTS', '`storage` says where a guest goes, and there is none.', {
      hint: 'Give the size of the guest too: cpus, memory or disk. Nothing was sent.',
    });
  }
  const bytes = (size: string | undefined) => (size === undefined ? undefined : sizeOf(size));
  return { type, cpus, memBytes: bytes(memory), diskBytes: bytes(disk), storage };
}

function shown({ cluster, node, storage, score, for: pro, against }: Place): z.output<typeof place> {
  return {
    cluster,
    node,
    ...(storage === undefined ? {} : { storage }),
    score,
    for: pro,
    ...(against.length === 0 ? {} : { against }),
  };
}

/** Sums that lack a node must not read as if they were whole. */
function mute(answers: readonly FleetAnswer<Looked>[]): string | undefined {
  const nodes = answers.flatMap(({ cluster, answer }) =>
    answer.capacity.nodes
      .filter(({ status, max_mem_bytes }) => status !== 'offline' && max_mem_bytes === undefined)
      .map(({ node }) => `${node} of ${sourceOf(cluster)}`),
  );
  if (nodes.length === 0) return undefined;
  return `Sums are without ${someOf(nodes)}: the token needs Sys.Audit on /nodes to see figures of a node, a tenant \`infrastructure\`.`;
}

function verdict(
  best: readonly z.output<typeof place>[] | undefined,
  total: number | undefined,
  nearest: readonly z.output<typeof nearPlace>[] | undefined,
): string {
  const [first] = best ?? [];
  if (first) {
    const where = `${quoted(first.node)}${first.storage === undefined ? '' : `, storage ${quoted(first.storage)}`}`;
    return ` The guest fits best on ${first.cluster}, node ${where}: ${first.for.join('; ')} (${count(total ?? 0, 'place')} in all).`;
  }
  if (nearest === undefined) return '';
  const [near] = nearest;
  const lacking = near
    ? `; nearest is ${near.cluster}, node ${quoted(near.node)}, which lacks ${near.lacks.join('; ')}`
    : '';
  return ` The guest fits nowhere${lacking}.`;
}
