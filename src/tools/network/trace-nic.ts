import { z } from 'zod';
import { defineTool, READS } from '../define.ts';
import { NIC_KEY, readConfig } from '../guest-config.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { noted } from '../results.ts';
import { INTERFACE_CALLS, refused } from './interfaces.ts';
import { nicRow, readPaths, tracedNic } from './trace.ts';

export const traceNic = defineTool({
  name: 'trace_nic',
  title: 'Trace a guest’s NIC',
  description:
    'Follows each NIC of a guest to the wire: bridge or VNet, VLAN, bond, physical ports, zone, MTU, firewall; and tells which nodes lack the bridge, which matters for migration.',
  toolset: 'network',
  annotations: READS,
  calls: [
    ...INTERFACE_CALLS,
    ['GET', '/nodes/{node}/qemu/{vmid}/config'],
    ['GET', '/nodes/{node}/lxc/{vmid}/config'],
    ['GET', '/cluster/sdn/vnets', 'pending'],
    ['GET', '/cluster/sdn/zones', 'pending'],
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({ ...guestParams, nic: textParam(6).optional() }),
  output: z.object({ ...guestFields, nics: z.array(nicRow), note: z.string().optional() }),
  async run(args, context) {
    const target = await guestTarget(context, args);
    const [{ values }, paths] = await Promise.all([readConfig(target), readPaths(target)]);
    const all = Object.keys(values)
      .filter((key) => NIC_KEY.test(key))
      .sort();
    const keys = args.nic === undefined ? all : all.filter((key) => key === args.nic);
    if (args.nic !== undefined && keys.length === 0) {
      const has = `It has: ${all.join(', ') || 'none'}.`;
      throw refused(target.cluster.name, 'NOT_FOUND', `The guest has no NIC ${args.nic}.`, has);
    }
    const nics = keys.map((key) => tracedNic(key, String(values[key]), target.guest.node, paths));
    return { ...target.fields(), nics, ...noted(...paths.problems) };
  },
  summary(answer) {
    const { nics, note } = answer;
    const each = nics.map(({ nic, path, problems = [], missing_on = [] }) => {
      const missing = missing_on.length === 0 ? '' : `; not on ${missing_on.join(', ')}`;
      const wrong = problems.length === 0 ? '' : `; ${problems.join('; ')}`;
      return `${nic}: ${path}${missing}${wrong}`;
    });
    return `${guestLabel(answer)}: ${each.join('. ') || 'no NIC'}.${note ? ` ${note}` : ''}`;
  },
});
