import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { guestFields, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { knownNode } from '../nodes.ts';
import { textParam } from '../params.ts';
import { notNow } from '../refusals.ts';
import { rowsOf, textOf } from '../results.ts';
import { taskDeadline } from '../task.ts';
import { arrivalByHa } from './arrival.ts';
import { HA_CALLS, type HaState, managerState, readHa, requireResource, serviceOf, sidOf } from './ha.ts';

export const moveHaGuest = defineTool({
  name: 'move_ha_guest',
  title: 'Move a guest by HA',
  description: 'Has HA move a guest to a node, and waits: migrate (live) or relocate (stop, move, start).',
  toolset: 'ha',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', '/cluster/ha/resources/{sid}/migrate', 'node'],
    ['POST', '/cluster/ha/resources/{sid}/relocate', 'node'],
    ...HA_CALLS,
  ],
  withoutCluster: 'lookup',
  input: z.strictObject({
    ...guestParams,
    action: z.enum(['migrate', 'relocate']),
    node: textParam(63),
    wait_seconds: z.int().min(0).max(600).default(90),
  }),
  output: z.object({
    ...guestFields,
    to: z.string(),
    moved: z.boolean().describe('Whether it was seen to arrive.'),
    state: z.string(),
    with: z.array(z.string()).optional().describe('What rules move along.'),
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ action, node, wait_seconds, ...wanted }, context) {
    const target = await guestTarget(context, wanted);
    const { cluster, guest } = target;
    const [ha, to] = await Promise.all([readHa(cluster), knownNode(cluster, node)]);
    const { state: goal } = requireResource(cluster, ha, guest);
    const sid = sidOf(guest);
    const service = serviceOf(ha, sid);
    const refused = whyNot({
      goal: textOf(goal),
      state: textOf(service?.state),
      from: textOf(service?.node),
      to,
    });
    requireManager(cluster, ha, to);
    if (refused !== undefined) throw notNow(cluster, `${sid} ${refused.why}.`, refused.hint);
    const path =
      action === 'migrate'
        ? apiPath`/cluster/ha/resources/${sid}/migrate`
        : apiPath`/cluster/ha/resources/${sid}/relocate`;
    const { data } = await cluster.request({
      method: 'POST',
      path,
      data: { node: to },
      expectName: wanted.name,
    });
    const along = companions(cluster, sid, data);
    const { moved, state } = await arrivalByHa(cluster, { sid, to, waitSeconds: wait_seconds }, context);
    return { ...target.fields(), to, moved, state, ...(along.length === 0 ? {} : { with: along }) };
  },
  summary(answer) {
    const { to, moved, state, with: along = [] } = answer;
    const others = along.length === 0 ? '' : ` ${someOf(along)} move along.`;
    return moved
      ? `${guestLabel(answer)} is on ${quoted(to)} now, ${quoted(state)}.${others}`
      : `${guestLabel(answer)} is on its way to ${quoted(to)} (${quoted(state)}); list_ha tells when it is there.${others}`;
  },
});

/** A node whose local manager is silent or in maintenance takes nothing; the inventory lags behind both. */
function requireManager(cluster: GatedCluster, { status }: HaState, node: string): void {
  const state = managerState(status.find((row) => row.type === 'lrm' && row.node === node)?.status);
  if (!/dead|maintenance|unable/i.test(state)) return;
  throw notNow(
    cluster,
    `HA on ${quoted(node)} is in ${inQuotes(state)}.`,
    'list_ha shows the nodes that are fit.',
  );
}

interface Situation {
  goal: string | undefined;
  state: string | undefined;
  from: string | undefined;
  to: string;
}

/** What HA would take and never do, or answer in words that help nobody. */
function whyNot({ goal, state, from, to }: Situation): { why: string; hint: string } | undefined {
  if (from === to) return { why: `is on ${quoted(to)} already`, hint: 'list_ha shows it.' };
  if (goal === 'ignored' || goal === 'disabled') {
    return {
      why: `is ${goal}: HA does nothing for it`,
      hint: 'migrate_guest moves it, or set state with save_ha_resource.',
    };
  }
  if (state === 'error') {
    return { why: 'is in error', hint: 'Set state disabled with save_ha_resource, repair it, then started.' };
  }
  if (state === 'fence' || state === 'recovery') {
    return { why: `is in ${state}: HA is recovering it`, hint: 'Wait until list_ha shows it started.' };
  }
  return undefined;
}

/** Since 9.0 the answer tells what rules make of it. @throws CallError CONFLICT where they keep it from moving */
function companions(cluster: GatedCluster, sid: string, data: unknown): string[] {
  const answer = isObject(data) ? data : {};
  const blocking = rowsOf(answer['blocking-resources']);
  if (blocking.length > 0) {
    const by = blocking.map(({ sid: other, cause }) => `${String(other)} (${textOf(cause) ?? 'a rule'})`);
    throw new CallError('CONFLICT', `Rules keep ${sid} from moving there: ${someOf(by)}.`, {
      cluster: cluster.name,
      hint: 'list_ha_rules shows them; nothing was moved.',
      retryable: false,
    });
  }
  const along = answer['comigrated-resources'];
  return Array.isArray(along) ? along.map(String) : [];
}
