import { z } from 'zod';
import { type Json, number } from '../../catalogue/json.ts';
import { nodeFor } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { limitParam, timeParam } from '../params.ts';
import { compact, count, noted, rowsOf } from '../results.ts';
import { callsOf, type Scope, scopeFields, scopeOf, scopeParams } from './scope.ts';

const { vnet: _vnet, ...LOG_SCOPE } = scopeParams;
const LOG_PARAMETERS = ['start', 'limit', 'since', 'until'];

export const getFirewallLog = defineTool({
  name: 'get_firewall_log',
  title: 'Firewall log',
  description:
    'Shows the last lines that the firewall of a guest or node logged; rules and policies log what their log level says.',
  toolset: 'firewall',
  annotations: READS,
  calls: [
    ...callsOf(['node', 'qemu', 'lxc'], 'GET', '/log', ...LOG_PARAMETERS),
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...LOG_SCOPE,
    limit: limitParam(50, 500),
    since: timeParam().optional(),
    until: timeParam().optional(),
  }),
  output: z.object({
    ...scopeFields,
    lines: z.array(z.string()),
    total: z.int(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const isGuest = args.name !== undefined || args.vmid !== undefined;
    const node = isGuest ? args.node : await nodeFor(context.cluster({ cluster: args.cluster }), args.node);
    const scope = await scopeOf(context, { ...args, node });
    const span = compact({ since: seconds(args.since), until: seconds(args.until) });
    const first = await ask(scope, { ...span, start: 0, limit: 1 });
    const total = first.total ?? first.rows.length;
    const start = Math.max(0, total - args.limit);
    // Proxmox gives the oldest first, so the end has to be asked for by its place.
    const { rows } = total === 0 ? first : await ask(scope, { ...span, start, limit: args.limit });
    const lines = rows.map(({ t }) => String(t)).filter((line) => line !== 'no content');
    const nothing = lines.length === 0 ? NOTHING : undefined;
    return { ...scope.fields(), lines, total: lines.length === 0 ? 0 : total, ...noted(nothing) };
  },
  summary({ scope, lines, total, note }) {
    const part = lines.length < total ? `, showing the last ${lines.length}` : '';
    return `${scope.label}: ${count(total, 'line')} in the firewall log${part}.${note ? ` ${note}` : ''}`;
  },
});

const NOTHING =
  'Nothing is logged unless a rule has a log level or log_level_in/out is set, and the firewall is effective: get_firewall tells.';

function seconds(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Math.floor(Date.parse(time) / 1000);
}

async function ask(scope: Scope, data: Json): Promise<{ rows: Json[]; total: number | undefined }> {
  const reply = await scope.cluster.request({ method: 'GET', path: scope.at('log'), data });
  return { rows: rowsOf(reply.data), total: number(reply.total) };
}
