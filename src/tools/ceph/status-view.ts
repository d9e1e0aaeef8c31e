import { z } from 'zod';
import { isObject, isTrue, type Json, number } from '../../catalogue/json.ts';
import { compact, percentOf, rowsOf, textOf } from '../results.ts';

/** Messages of one check that are shown: it may have one for each OSD. */
const MOST_DETAILS = 5;

export const statusFields = {
  health: z.string(),
  checks: z.array(z.looseObject({ name: z.string(), severity: z.string(), message: z.string() })),
  capacity: z.looseObject({}).optional(),
  io: z.looseObject({}).optional(),
  osds: z.looseObject({}),
  monitors: z.looseObject({}),
  manager: z.string().optional(),
  pgs: z.array(z.object({ state: z.string(), count: z.int() })),
};

/** What `ceph status` tells, for people. */
export function shownStatus(data: unknown) {
  const status = partOf(data);
  const health = partOf(status.health);
  const pgmap = partOf(status.pgmap);
  const outer = partOf(status.osdmap);
  // Older ones have a map within the map.
  const osdmap = isObject(outer.osdmap) ? outer.osdmap : outer;
  const quorum = Array.isArray(status.quorum_names) ? status.quorum_names.map(String) : [];
  const io = compact({
    read_bytes_per_second: number(pgmap.read_bytes_sec),
    write_bytes_per_second: number(pgmap.write_bytes_sec),
    recovering_bytes_per_second: number(pgmap.recovering_bytes_per_sec),
    degraded_percent: percentOf(number(pgmap.degraded_objects), number(pgmap.degraded_total)),
    misplaced_percent: percentOf(number(pgmap.misplaced_objects), number(pgmap.misplaced_total)),
  });
  return {
    health: textOf(health.status) ?? 'unknown',
    checks: Object.entries(partOf(health.checks)).map(([name, check]) => shownCheck(name, partOf(check))),
    ...compact({ capacity: shownCapacity(pgmap), manager: textOf(partOf(status.mgrmap).active_name) }),
    ...(Object.keys(io).length === 0 ? {} : { io }),
    osds: compact({
      total: number(osdmap.num_osds),
      up: number(osdmap.num_up_osds),
      in: number(osdmap.num_in_osds),
    }),
    monitors: { ...compact({ total: monitorsOf(status) }), quorum },
    pgs: rowsOf(pgmap.pgs_by_state).map((row) => ({
      state: textOf(row.state_name) ?? 'unknown',
      count: number(row.count) ?? 0,
    })),
  };
}

function monitorsOf(status: Json): number | undefined {
  const { num_mons: many, mons } = partOf(status.monmap);
  return number(many) ?? (Array.isArray(mons) ? mons.length : undefined);
}

function shownCheck(name: string, check: Json) {
  const details = rowsOf(check.detail).flatMap(({ message }) => textOf(message) ?? []);
  return {
    name,
    severity: textOf(check.severity) ?? 'unknown',
    message: textOf(partOf(check.summary).message) ?? '',
    ...(isTrue(check.muted) ? { muted: true } : {}),
    ...(details.length === 0
      ? {}
      : { details: details.slice(0, MOST_DETAILS), details_total: details.length }),
  };
}

function shownCapacity(pgmap: Json) {
  const [total, used] = [number(pgmap.bytes_total), number(pgmap.bytes_used)];
  if (total === undefined) return undefined;
  return compact({
    total_bytes: total,
    used_bytes: used,
    free_bytes: number(pgmap.bytes_avail),
    used_percent: percentOf(used, total),
  });
}

/** The Ceph release on each node, and what the daemons run: after an upgrade they have to be restarted. */
export function shownVersions(data: unknown) {
  const metadata = partOf(data);
  const nodes = Object.entries(partOf(metadata.node)).map(([node, about]) => {
    const version = partOf(partOf(about).version);
    return { node, version: textOf(version.str) ?? 'unknown' };
  });
  const daemons: string[] = [];
  for (const kind of ['mon', 'mgr', 'mds', 'osd']) {
    const all = metadata[kind];
    const rows = Array.isArray(all) ? rowsOf(all) : Object.values(partOf(all)).filter(isObject);
    for (const row of rows) {
      const version =
        textOf(row.ceph_version_short) ?? /version (\S+)/.exec(textOf(row.ceph_version) ?? '')?.[1];
      if (version !== undefined) daemons.push(version);
    }
  }
  return { nodes, running: [...new Set(daemons)].sort() };
}

function partOf(value: unknown): Json {
  return isObject(value) ? value : {};
}
