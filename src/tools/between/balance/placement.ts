import { z } from 'zod';
import type { GatedCluster } from '../../../access/gate.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { defineTool, READS, type ToolContext } from '../../define.ts';
import { askFleet, fleetFields, fleetSelection, remarks } from '../../fleet.ts';
import { type GuestTarget, guestParams, guestTarget } from '../../guest-target.ts';
import { INVENTORY_CALLS } from '../../inventories.ts';
import { bridgeRows, checkBridges } from '../../inventory/default-bridge.ts';
import { fits, type Place, rankPlaces, type Site, type Wanted } from '../../inventory/placement.ts';
import { limitParam, listOf, textParam, wholeParam } from '../../params.ts';
import { unfitting } from '../../refusals.ts';
import { count, noted } from '../../results.ts';
import { sizeOf, sizeParam } from '../../size.ts';
import { CPU_MODEL_CALLS } from './cpu-models.ts';
import { LOAD_CALLS, type Load, loadOfGuest } from './load.ts';
import { restsOn, restsOnOf, restsOnWords, timeframeParam } from './measure.ts';
import { NEED_CALLS, type Needs, needsOf } from './needs.ts';
import { type Looked, lookAt, siteOf } from './sites.ts';
import { SURROUNDING_CALLS } from './surroundings.ts';

const LOOK_MS = 25_000;
const MOST_RULED_OUT = 20;
/** So many of the best places are asked for the bridges of the guest. */
const MOST_BRIDGES = 12;

const input = z.strictObject({
  ...guestParams,
  cpus: wholeParam(1, 8192).optional(),
  memory: sizeParam('8G'),
  disk: sizeParam('100G'),
  type: z.enum(['qemu', 'lxc']).optional(),
  storage: textParam(100).optional(),
  tags: listOf(textParam(), 50).optional(),
  timeframe: timeframeParam,
  limit: limitParam(5, 50),
});

type Args = z.output<typeof input>;

const placeRow = z.looseObject({
  cluster: z.string(),
  node: z.string(),
  score: z.number(),
  for: z.array(z.string()),
});

export const placement = defineTool({
  name: 'placement',
  title: 'Find the best place for a guest',
  description:
    'Where a new guest (its sizes) or an existing one (name or vmid) fits best, in one cluster or all, by load over time. Guests tagged keep-together-X belong on one node, keep-apart-X on different ones; HA rules count.',
  toolset: 'between',
  annotations: READS,
  calls: [
    ...INVENTORY_CALLS,
    ...SURROUNDING_CALLS,
    ...LOAD_CALLS,
    ...NEED_CALLS,
    ...CPU_MODEL_CALLS,
    ['GET', '/nodes/{node}/network', 'type'],
  ],
  withoutCluster: 'all',
  input,
  output: z.object({
    ...fleetFields,
    guest: z.looseObject({ vmid: z.int(), node: z.string() }).optional(),
    candidates: z.array(placeRow),
    candidates_total: z.int(),
    ruled_out: z.array(z.looseObject({ cluster: z.string(), node: z.string(), why: z.array(z.string()) })),
    ruled_out_total: z.int(),
    rests_on: restsOn,
    note: z.string().optional(),
  }),
  async run(args, context) {
    checkArgs(args);
    const found = isExisting(args) ? await guestTarget(context, args) : undefined;
    const fleet = context.fleet(args.cluster);
    const look = (cluster: GatedCluster, signal: AbortSignal) =>
      lookAt(cluster.alone(), args.timeframe, found !== undefined, signal);
    const [{ answers, failed }, existing] = await Promise.all([
      askFleet(fleet, context, look, LOOK_MS),
      found && existingOf(found, args, context),
    ]);
    const looked = answers.map(({ answer }) => answer);
    const wanted = wantedOf(args, existing?.needs);
    const tags = existing?.needs.guest.tags ?? (args.tags ?? []).map((tag) => tag.toLowerCase());
    const machine =
      existing &&
      looked.find(({ cluster }) => cluster.name === existing.home)?.machines.get(existing.needs.guest.node);
    const guest = { wanted, tags, existing: existing && { ...existing, machine } };
    const sites = looked.map((one) => ({ ...one, site: siteOf(one, args.timeframe, guest) }));
    const ranked = rankPlaces(
      sites.map(({ site }) => site),
      wanted,
    );
    const { best, without, notes } = await withBridges(ranked.filter(fits), looked, existing?.needs, context);
    const out = [...without, ...ranked.filter((place) => !fits(place))];
    const loads = [
      ...looked.flatMap((one) => [...one.loads.values()]),
      ...(existing?.load === undefined ? [] : [existing.load]),
    ];
    return {
      ...fleetSelection(fleet, failed),
      ...(found === undefined ? {} : { guest: { ...found.fields().guest, cluster: found.cluster.name } }),
      candidates: best.slice(0, args.limit).map((place) => shown(place, sites, wanted)),
      candidates_total: best.length,
      ruled_out: out.slice(0, MOST_RULED_OUT).map(ruledOut),
      ruled_out_total: out.length,
      rests_on: restsOnOf(loads, args.timeframe, 'AVERAGE and MAX'),
      ...noted(...looked.flatMap(({ around }) => around.unknown), ...notes, blind(looked)),
    };
  },
  summary(answer) {
    const { candidates, candidates_total: total, ruled_out: out, guest, rests_on } = answer;
    const who = guest === undefined ? 'The guest' : `Guest ${guest.vmid}`;
    const [best] = candidates;
    const [near] = out;
    const basis = ` ${restsOnWords(rests_on, guest === undefined ? 'node' : 'node or guest')}`;
    if (best === undefined) {
      const why =
        near === undefined
          ? ''
          : ` Nearest is ${quoted(near.node)} of ${near.cluster}: ${near.why.join('; ')}.`;
      return `${who} fits nowhere.${why}${basis}${remarks(answer)}`;
    }
    const storage = typeof best.storage === 'string' ? `, storage ${quoted(best.storage)}` : '';
    return `${who} fits best on ${quoted(best.node)} of ${best.cluster}${storage}: ${best.for.join('; ')} (${count(total, 'place')} in all).${basis}${remarks(answer)}`;
  },
});

interface Measured extends Looked {
  site: Site;
}

function isExisting({ vmid, name }: Args): boolean {
  return vmid !== undefined || name !== undefined;
}

/** @throws CallError INVALID_ARGUMENTS */
function checkArgs(args: Args): void {
  const { cpus, memory, disk, type, tags } = args;
  if (isExisting(args)) {
    if (disk === undefined && type === undefined && tags === undefined) return;
    throw unfitting('disk, type and tags are those of the guest that vmid or name means: leave them out');
  }
  if (cpus === undefined && memory === undefined && disk === undefined) {
    throw unfitting('say which guest: vmid or name of an existing one, or cpus, memory or disk of a new one');
  }
}

async function existingOf(target: GuestTarget, { timeframe }: Args, context: ToolContext) {
  const { cluster, guest } = target;
  const asked = { cluster, timeframe, peaks: true };
  const needs = await needsOf(target);
  const load = needs.isRunning ? await loadOfGuest(asked, guest, context.signal) : undefined;
  return { needs, home: cluster.name, load };
}

function wantedOf({ cpus, memory, disk, type = 'qemu', storage }: Args, needs: Needs | undefined): Wanted {
  const bytes = (size: string | undefined) => (size === undefined ? undefined : sizeOf(size));
  if (needs === undefined) return { type, cpus, memBytes: bytes(memory), diskBytes: bytes(disk), storage };
  const { guest, disks } = needs;
  return {
    type: guest.type,
    cpus: cpus ?? guest.cpus,
    memBytes: bytes(memory) ?? guest.maxMemBytes,
    diskBytes: disks.reduce((sum, one) => sum + one.bytes, 0),
    storage,
  };
}

/** Places whose node lacks a bridge of the guest are none; a new guest can take another one. */
async function withBridges(
  places: readonly Place[],
  looked: readonly Looked[],
  needs: Needs | undefined,
  { signal }: ToolContext,
) {
  const clusters = looked.map(({ cluster }) => cluster);
  const [first, rest] = [places.slice(0, MOST_BRIDGES), places.slice(MOST_BRIDGES)];
  if (needs === undefined) {
    const { best, notes } = await checkBridges(first, clusters, signal);
    return { best: [...best, ...rest], without: [], notes };
  }
  const notes: string[] = [];
  const nodes = new Map(first.map((place) => [`${place.cluster}/${place.node}`, place]));
  const found = await Promise.all(
    [...nodes].map(async ([key, place]) => {
      const cluster = clusters.find(({ name }) => name === place.cluster);
      try {
        const rows = cluster === undefined ? [] : await bridgeRows(cluster, place.node, signal);
        const names = rows.map((row) => String(row.iface));
        return [key, needs.bridges.filter((bridge) => !names.includes(bridge))] as const;
      } catch (error) {
        signal.throwIfAborted();
        notes.push(
          `The bridges of ${place.node} of ${place.cluster} are not known: ${toCallError(error).message}`,
        );
        return [key, [] as string[]] as const;
      }
    }),
  );
  const missing = new Map(found);
  const lacking = ({ cluster, node }: Place) => missing.get(`${cluster}/${node}`) ?? [];
  const without = first
    .filter((place) => lacking(place).length > 0)
    .map((place) => ({ ...place, lacks: [`the bridge ${lacking(place).map(quoted).join(', ')}`] }));
  return { best: [...first.filter((place) => lacking(place).length === 0), ...rest], without, notes };
}

function shown(
  { cluster, node, storage, score, for: pro, against }: Place,
  sites: readonly Measured[],
  { memBytes = 0 }: Wanted,
) {
  const found = sites.find(({ site }) => site.cluster === cluster);
  const load = found?.loads.get(node);
  const row = found?.site.capacity.nodes.find((one) => one.node === node);
  const max = row?.max_mem_bytes;
  return {
    cluster,
    node,
    ...(storage === undefined ? {} : { storage }),
    score,
    ...(load === undefined || max === undefined ? {} : figuresOf(load, max)),
    ...(row?.free_mem_bytes === undefined
      ? {}
      : { free_memory_bytes_after: Math.round(row.free_mem_bytes - memBytes) }),
    for: pro,
    ...(against.length === 0 ? {} : { against }),
  };
}

function figuresOf(load: Load, maxMemBytes: number) {
  const percent = (fraction: number) => Math.round(fraction * 1000) / 10;
  return {
    measured: load.basis,
    cpu_mean_percent: percent(load.cpuMean),
    cpu_p95_percent: percent(load.cpuP95),
    memory_mean_percent: percent(load.memMeanBytes / maxMemBytes),
    memory_peak_percent: percent(load.memPeakBytes / maxMemBytes),
  };
}

function ruledOut({ cluster, node, storage, lacks }: Place) {
  return { cluster, node, ...(storage === undefined ? {} : { storage }), why: lacks };
}

function blind(looked: readonly Looked[]): string | undefined {
  const left = looked.reduce((sum, { around, loads }) => {
    return (
      sum +
      around.inventory.nodes.filter(({ node, status }) => status === 'online' && !loads.has(node)).length
    );
  }, 0);
  return left === 0
    ? undefined
    : `${count(left, 'node')} not measured: what the list of the cluster tells of this moment counts.`;
}
