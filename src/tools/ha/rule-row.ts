import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue, type Json } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { compact, textOf } from '../results.ts';
import { type Generation, itemsOf, vmidOf } from './ha.ts';

export const ruleRow = z.object({
  rule: z.string(),
  type: z.enum(['node-affinity', 'resource-affinity', 'group']),
  guests: z.array(z.object({ vmid: z.int(), name: z.string().optional() })),
  nodes: z.array(z.string()).optional(),
  strict: z.boolean().optional(),
  affinity: z.string().optional(),
  failback: z.boolean().optional(),
  enabled: z.boolean(),
  comment: z.string().optional(),
  problems: z.array(z.string()).optional(),
});

export type RuleRow = z.output<typeof ruleRow>;

/** What a rule is shown with. */
interface Surroundings {
  /** By VMID. */
  names: ReadonlyMap<number, string>;
  resources: readonly Json[];
}

export function ruleRowOf(row: Json, generation: Generation, { names, resources }: Surroundings): RuleRow {
  const isGroup = generation === 'groups';
  const rule = ruleName(row, generation);
  const sids = isGroup
    ? resources.filter(({ group }) => group === rule).map(({ sid }) => String(sid))
    : itemsOf(row.resources);
  const guests = sids.map((sid) => {
    const vmid = vmidOf(sid);
    return { vmid, ...compact({ name: names.get(vmid) }) };
  });
  const nodes = itemsOf(row.nodes);
  const type = isGroup ? 'group' : row.type === 'resource-affinity' ? row.type : 'node-affinity';
  const problems = messagesOf(row.errors);
  return {
    rule,
    type,
    guests,
    enabled: !isTrue(row.disable),
    ...(nodes.length === 0 ? {} : { nodes }),
    ...(type === 'resource-affinity' ? {} : { strict: isTrue(row.strict) || isTrue(row.restricted) }),
    ...(isGroup ? { failback: !isTrue(row.nofailback) } : {}),
    ...compact({ affinity: textOf(row.affinity), comment: textOf(row.comment) }),
    ...(problems.length === 0 ? {} : { problems }),
  };
}

export function ruleName(row: Json, generation: Generation): string {
  return String(generation === 'groups' ? row.group : row.rule);
}

/** What the manager finds wrong with a rule; it leaves such a rule out. */
function messagesOf(errors: unknown): string[] {
  if (typeof errors === 'string') return [errors];
  if (typeof errors !== 'object' || errors === null) return [];
  return Object.values(errors).flatMap(messagesOf);
}

/** @throws CallError NOT_FOUND that names those there are */
export function requireRule(
  cluster: GatedCluster,
  rows: readonly Json[],
  rule: string,
  generation: Generation,
): Json {
  const found = rows.find((row) => ruleName(row, generation) === rule);
  if (found !== undefined) return found;
  const word = generation === 'rules' ? 'rule' : 'group';
  const names = rows.map((row) => quoted(ruleName(row, generation)));
  throw new CallError('NOT_FOUND', `${cluster.name} has no HA ${word} ${quoted(rule)}.`, {
    cluster: cluster.name,
    hint: `It has: ${someOf(names, 30) || 'none'}. Nothing was sent.`,
  });
}

/** `the guests web-01, db-01`, for a sentence. */
export function whom({ guests }: Pick<RuleRow, 'guests'>): string {
  const names = guests.map(({ vmid, name }) => (name === undefined ? String(vmid) : quoted(name)));
  return someOf(names) || 'no guest yet';
}
