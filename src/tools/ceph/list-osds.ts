import { z } from 'zod';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import { OSD_CALLS, osdRow, readOsds } from './osds.ts';

export const listOsds = defineTool({
  name: 'list_osds',
  title: 'List OSDs',
  description: "Ceph's disks: node, up, in, class, weight, usage, latency; those with trouble first.",
  toolset: 'ceph',
  annotations: READS,
  calls: OSD_CALLS,
  input: z.strictObject({ cluster: clusterParam, node: nodeParam, limit: limitParam(100, 500) }),
  output: z.object({
    ...selectedFields,
    osds: z.array(osdRow),
    total: z.int(),
    down: z.array(z.int()),
    out: z.array(z.int()),
  }),
  async run({ cluster: named, node, limit }, context) {
    const cluster = context.cluster(named);
    const { osds } = await readOsds(cluster);
    const fit = osds.filter((osd) => node === undefined || osd.node === node);
    const well = (osd: (typeof fit)[number]): number => Number(osd.up) + Number(osd.in);
    const ordered = fit.toSorted((a, b) => well(a) - well(b) || a.id - b.id);
    return {
      ...selectionOf(cluster),
      osds: ordered.slice(0, limit),
      total: fit.length,
      down: ordered.filter(({ up }) => !up).map(({ id }) => id),
      out: ordered.filter((osd) => !osd.in).map(({ id }) => id),
    };
  },
  summary({ cluster, total, down, out }) {
    const some = (ids: number[], word: string) =>
      ids.length === 0 ? `none ${word}` : `${word}: ${someOf(ids.map((id) => `osd.${id}`))}`;
    return `${cluster}: ${count(total, 'OSD')}, ${some(down, 'down')}, ${some(out, 'out')}.`;
  },
});
