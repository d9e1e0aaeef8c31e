import { z } from 'zod';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { readParts, unreadField, withoutUnread } from '../parts.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { askCeph, readCeph } from './ceph.ts';

const KINDS = { mon: 'monitor', mgr: 'manager', mds: 'metadata server' } as const;

type Kind = keyof typeof KINDS;

const serviceRow = z.object({
  kind: z.enum(['mon', 'mgr', 'mds']),
  name: z.string(),
  node: z.string().optional(),
  state: z.string(),
  in_quorum: z.boolean().optional(),
  rank: z.int().optional(),
  file_system: z.string().optional(),
  address: z.string().optional(),
  version: z.string().optional(),
});

type ServiceRow = z.output<typeof serviceRow>;

export const listCephServices = defineTool({
  name: 'list_ceph_services',
  title: 'List Ceph services',
  description: 'Monitors, managers and metadata servers of Ceph with their states, and its file systems.',
  toolset: 'ceph',
  annotations: READS,
  calls: [
    ['GET', '/nodes/{node}/ceph/mon'],
    ['GET', '/nodes/{node}/ceph/mgr'],
    ['GET', '/nodes/{node}/ceph/mds'],
    ['GET', '/nodes/{node}/ceph/fs'],
    ['GET', '/cluster/resources'],
  ],
  input: z.strictObject({ cluster: clusterParam }),
  output: z.object({
    ...selectedFields,
    services: z.array(serviceRow),
    total: z.int(),
    file_systems: z
      .array(z.object({ name: z.string(), metadata_pool: z.string(), data_pools: z.array(z.string()) }))
      .optional(),
    unread: unreadField,
  }),
  async run({ cluster: named }, context) {
    const cluster = context.cluster(named);
    const { answer } = await askCeph(cluster, (node) => {
      const rows = (kind: Kind) => async () =>
        rowsOf(await readCeph(cluster, node, kind)).map((row) => rowOf(kind, row));
      const readers = {
        mon: rows('mon'),
        mgr: rows('mgr'),
        mds: rows('mds'),
        fs: async () => rowsOf(await readCeph(cluster, node, 'fs')).map(fileSystemOf),
      };
      return readParts(readers, context.signal);
    });
    const { mon = [], mgr = [], mds = [], fs } = answer.parts;
    const services = [...mon, ...mgr, ...mds];
    return {
      ...selectionOf(cluster),
      services,
      total: services.length,
      ...compact({ file_systems: fs, unread: answer.unread }),
    };
  },
  summary({ cluster, services, file_systems = [], unread }) {
    const troubled = services.filter(({ state }) => !isWell(state));
    const counts = Object.entries(KINDS).map(([kind, word]) => {
      const many = services.filter((service) => service.kind === kind).length;
      return `${many} ${word}${many === 1 ? '' : 's'}`;
    });
    const which = troubled.map(({ kind, name, state }) => `${kind}.${name} (${quoted(state)})`);
    const trouble = which.length === 0 ? 'all up' : `not up: ${someOf(which)}`;
    const systems = file_systems.map(({ name }) => quoted(name));
    const files = systems.length === 0 ? '' : `; file systems ${someOf(systems)}`;
    return `Ceph of ${cluster}: ${counts.join(', ')}, ${trouble}${files}.${withoutUnread(unread)}`;
  },
});

function isWell(state: string): boolean {
  return /^(?:running|active|standby|up:(?:active|standby|standby-replay))$/.test(state);
}

function rowOf(kind: Kind, row: Json): ServiceRow {
  const rank = number(row.rank);
  return {
    kind,
    name: String(row.name),
    state: textOf(row.state) ?? 'unknown',
    ...compact({
      node: textOf(row.host),
      in_quorum: kind === 'mon' ? isTrue(row.quorum) : undefined,
      rank: rank === undefined || rank < 0 ? undefined : rank,
      file_system: textOf(row.fs_name),
      address: textOf(row.addr),
      version: textOf(row.ceph_version_short),
    }),
  };
}

function fileSystemOf(row: Json) {
  const first = textOf(row.data_pool);
  const all = Array.isArray(row.data_pools) ? row.data_pools.map(String) : [];
  return {
    name: String(row.name),
    metadata_pool: textOf(row.metadata_pool) ?? '',
    data_pools: all.length > 0 ? all : first === undefined ? [] : [first],
  };
}
