import { z } from 'zod';
import { isTrue, number } from '../../catalogue/json.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, limitParam, selectedFields, selectionOf } from '../params.ts';
import { unreadField, withoutUnread } from '../parts.ts';
import { compact, count, isoTime, textOf } from '../results.ts';
import {
  GENERATION_CALLS,
  generationOf,
  HA_CALLS,
  itemsOf,
  managerState,
  RULE_READS,
  readHa,
  readRules,
} from './ha.ts';
import { resourceRow, resourceRowOf } from './resource-row.ts';

/** States in which HA does what it was asked. */
const FINE: readonly string[] = ['started', 'stopped', 'disabled', 'ignored'];

export const listHa = defineTool({
  name: 'list_ha',
  title: 'Show high availability',
  description:
    'HA as it is now: guests under it (state, wanted state, node, rules), quorum, master, fencing, nodes.',
  toolset: 'ha',
  annotations: READS,
  calls: [...HA_CALLS, ...RULE_READS, ...GENERATION_CALLS],
  input: z.strictObject({ cluster: clusterParam, limit: limitParam(100, 500) }),
  output: z.object({
    ...selectedFields,
    quorate: z.boolean(),
    master: z.string().optional(),
    master_seen_at: z.string().optional(),
    fencing: z.string().optional(),
    nodes: z.array(z.object({ node: z.string(), state: z.string() })),
    resources: z.array(resourceRow),
    total: z.int(),
    unread: unreadField,
  }),
  async run({ cluster: named, limit }, context) {
    const cluster = context.cluster(named);
    const [ha, { guests }, rules] = await Promise.all([
      readHa(cluster),
      cluster.inventory(),
      rulesOf(cluster).catch(toCallError),
    ]);
    context.signal.throwIfAborted();
    const names = new Map(guests.map(({ vmid, name }) => [vmid, name]));
    const rows = [...ha.resources].map(([sid, row]) => ({
      ...resourceRowOf(row, ha, names),
      ...compact({ rules: rules instanceof CallError ? undefined : rules.get(sid) }),
    }));
    const ordered = rows.toSorted((a, b) => Number(FINE.includes(a.state)) - Number(FINE.includes(b.state)));
    const rowOf = (type: string) => ha.status.find((row) => row.type === type);
    const seen = number(rowOf('master')?.timestamp);
    return {
      ...selectionOf(cluster),
      quorate: isTrue(rowOf('quorum')?.quorate),
      ...compact({
        master: textOf(rowOf('master')?.node),
        master_seen_at: seen === undefined ? undefined : isoTime(seen * 1000),
        fencing: textOf(rowOf('fencing')?.['armed-state']) ?? textOf(rowOf('fencing')?.status),
      }),
      nodes: ha.status
        .filter(({ type }) => type === 'lrm')
        .map(({ node, status }) => ({ node: String(node), state: managerState(status) })),
      resources: ordered.slice(0, limit),
      total: rows.length,
      ...(rules instanceof CallError
        ? { unread: [{ part: 'rules', problem: `${rules.code}: ${rules.message}` }] }
        : {}),
    };
  },
  summary({ cluster, quorate, master, fencing, resources, total, unread }) {
    const troubled = resources.filter(({ state }) => !FINE.includes(state));
    const who = troubled.map(({ sid, name, state }) => `${quoted(name ?? sid)} (${quoted(state)})`);
    const state = [
      quorate ? 'quorate' : 'NO QUORUM',
      master === undefined ? 'no master' : `master ${quoted(master)}`,
      ...(fencing === undefined ? [] : [`fencing ${quoted(fencing)}`]),
    ];
    const unsettled = who.length === 0 ? '' : `; not settled: ${someOf(who)}`;
    return `${cluster}: ${count(total, 'guest')} under HA, ${state.join(', ')}${unsettled}.${withoutUnread(unread)}`;
  },
});

/** The rules that are in force for each resource, by `sid`. */
async function rulesOf(cluster: Parameters<typeof readHa>[0]): Promise<ReadonlyMap<string, string[]>> {
  const rules = new Map<string, string[]>();
  // A group is named by the resource itself.
  if ((await generationOf(cluster)) === 'groups') return rules;
  for (const row of await readRules(cluster, 'rules')) {
    if (isTrue(row.disable)) continue;
    for (const sid of itemsOf(row.resources)) rules.set(sid, [...(rules.get(sid) ?? []), String(row.rule)]);
  }
  return rules;
}
