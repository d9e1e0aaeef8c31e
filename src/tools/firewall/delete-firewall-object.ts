import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { compact, count, noted, rowsOf, textOf } from '../results.ts';
import {
  KIND_WORDS,
  namedObjectFields,
  namedObjectParams,
  OBJECT_HOMES,
  readEntries,
  refused,
  requireHome,
  requireObject,
  sendAll,
  usersOf,
} from './objects.ts';
import { callsOf, changedScope, read, ruleCalls, type Scope } from './scope.ts';

const input = z.strictObject({
  ...namedObjectParams,
  entries: z.array(textParam(64)).min(1).max(200).optional().describe('Delete these of an IP set alone.'),
  force: z.boolean().default(false).describe('An IP set with its entries.'),
});
type Args = z.output<typeof input>;

export const deleteFirewallObject = defineTool({
  name: 'delete_firewall_object',
  title: 'Delete a firewall object',
  description: 'Deletes an alias, IP set, entries of one, or an empty security group that no rule uses.',
  toolset: 'firewall',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ...callsOf(OBJECT_HOMES, 'DELETE', '/aliases/{name}', 'digest'),
    ...callsOf(OBJECT_HOMES, 'DELETE', '/ipset/{name}', 'force'),
    ...callsOf(OBJECT_HOMES, 'DELETE', '/ipset/{name}/{cidr}'),
    ...callsOf(['group'], 'DELETE', ''),
    ...callsOf(OBJECT_HOMES, 'GET', '/aliases'),
    ...callsOf(OBJECT_HOMES, 'GET', '/ipset'),
    ...callsOf(OBJECT_HOMES, 'GET', '/ipset/{name}'),
    ...callsOf(['datacenter'], 'GET', '/groups'),
    ...ruleCalls('GET', ''),
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...namedObjectFields,
    entries: z.array(z.string()).optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const { kind, object, entries } = args;
    const scope = await changedScope(context, args);
    requireHome(scope, kind);
    if (kind !== 'ipset' && entries !== undefined) {
      throw refused(scope, 'INVALID_ARGUMENTS', '`entries` are of an IP set alone.', 'Leave them out.');
    }
    const present = await requireObject(scope, kind, object);
    const requests =
      entries === undefined
        ? [await wholeRequest(scope, args, textOf(present.digest))]
        : await entryRequests(scope, object, entries);
    await sendAll(scope, requests);
    const unasked = kind !== 'group' && scope.kind === 'datacenter' && entries === undefined;
    return {
      ...scope.fields(),
      kind,
      object,
      ...compact({ entries }),
      ...noted(unasked ? 'Rules of nodes and guests were not searched for it.' : undefined),
    };
  },
  summary({ scope, kind, object, entries, note }) {
    const what =
      entries === undefined ? '' : `${count(entries.length, 'entry').replace(/entrys$/, 'entries')} of `;
    return `${scope.label}: ${what}the ${KIND_WORDS[kind]} ${quoted(object)} ${entries === undefined ? 'was' : 'were'} deleted.${note ? ` ${note}` : ''}`;
  },
});

/** @throws CallError CONFLICT where it is used or holds something: Proxmox would leave rules that name nothing */
async function wholeRequest(scope: Scope, args: Args, digest: string | undefined): Promise<GateRequest> {
  const { kind, object, force } = args;
  const users = await usersOf(scope, kind, object);
  if (users.length > 0) {
    const what = `The ${KIND_WORDS[kind]} ${object} is used by ${someOf(users)}.`;
    throw refused(scope, 'CONFLICT', what, 'Change or delete these rules first.');
  }
  if (kind === 'alias') {
    return {
      method: 'DELETE',
      path: scope.at('aliases', object),
      data: compact({ digest }),
      ...scope.expecting,
    };
  }
  if (kind === 'group') {
    const path = apiPath`/cluster/firewall/groups/${object}`;
    const rules = rowsOf(await read(scope.cluster, path));
    if (rules.length === 0) return { method: 'DELETE', path };
    const what = `The security group ${object} has ${count(rules.length, 'rule')}.`;
    throw refused(scope, 'CONFLICT', what, 'Delete its rules first: delete_firewall_rule with group.');
  }
  const entries = await readEntries(scope, object);
  if (entries.length > 0 && !force) {
    const what = `The IP set ${object} has entries: ${someOf(entries.map(({ cidr }) => cidr))}.`;
    throw refused(scope, 'CONFLICT', what, 'Pass force to delete them with it.');
  }
  const data = entries.length > 0 ? { force: 1 } : {};
  return { method: 'DELETE', path: scope.at('ipset', object), data, ...scope.expecting };
}

async function entryRequests(
  scope: Scope,
  object: string,
  entries: readonly string[],
): Promise<GateRequest[]> {
  const known = (await readEntries(scope, object)).map(({ cidr }) => cidr);
  const missing = entries.find((cidr) => !known.includes(cidr));
  if (missing !== undefined) {
    const what = `The IP set ${object} has no entry ${inQuotes(missing)}.`;
    throw refused(scope, 'NOT_FOUND', what, `It has: ${someOf(known, 30) || 'none'}.`);
  }
  return entries.map((cidr) => ({
    method: 'DELETE',
    path: scope.at('ipset', object, cidr),
    ...scope.expecting,
  }));
}
