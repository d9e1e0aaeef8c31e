import { z } from 'zod';
import type { GateRequest } from '../../access/gate.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { textParam } from '../params.ts';
import { compact, textOf } from '../results.ts';
import {
  collectionOf,
  entriesParam,
  entryOf,
  KIND_WORDS,
  namedObjectFields,
  namedObjectParams,
  nameOf,
  OBJECT_HOMES,
  objectParam,
  readEntries,
  readObjects,
  refused,
  requireHome,
  sendAll,
} from './objects.ts';
import { isAddress } from './rule-checks.ts';
import { callsOf, changedScope, commentParam, type Scope } from './scope.ts';

const input = z.strictObject({
  ...namedObjectParams,
  new_name: objectParam.optional(),
  comment: commentParam.optional(),
  cidr: textParam(64).optional().describe('Of an alias.'),
  entries: entriesParam.describe('Of an IP set, added or changed: "10.0.0.0/8 # office"; ! excludes.'),
});
type Args = z.output<typeof input>;

export const saveFirewallObject = defineTool({
  name: 'save_firewall_object',
  title: 'Create or change a firewall object',
  description:
    'Makes or changes an alias, IP set or security group of the datacenter, or an alias or set of a guest. A group gets its rules by save_firewall_rule.',
  toolset: 'firewall',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  calls: [
    ...callsOf(OBJECT_HOMES, 'GET', '/aliases'),
    ...callsOf(OBJECT_HOMES, 'POST', '/aliases', 'name', 'cidr', 'comment'),
    ...callsOf(OBJECT_HOMES, 'PUT', '/aliases/{name}', 'cidr', 'comment', 'rename', 'digest'),
    ...callsOf(OBJECT_HOMES, 'GET', '/ipset'),
    ...callsOf(OBJECT_HOMES, 'POST', '/ipset', 'name', 'comment', 'rename', 'digest'),
    ...callsOf(OBJECT_HOMES, 'GET', '/ipset/{name}'),
    ...callsOf(OBJECT_HOMES, 'POST', '/ipset/{name}', 'cidr', 'comment', 'nomatch'),
    ...callsOf(OBJECT_HOMES, 'PUT', '/ipset/{name}/{cidr}', 'comment', 'nomatch'),
    ...callsOf(['datacenter'], 'GET', '/groups'),
    ...callsOf(['datacenter'], 'POST', '/groups', 'group', 'comment', 'rename', 'digest'),
    ['GET', '/cluster/resources'],
  ],
  withoutCluster: 'lookup',
  input,
  output: z.object({
    ...namedObjectFields,
    created: z.boolean(),
    entries_saved: z.int().optional(),
  }),
  async run(args, context) {
    const { kind, object, new_name = object, entries } = args;
    const scope = await changedScope(context, args);
    requireHome(scope, kind);
    const rows = await readObjects(scope, kind);
    const present = rows.find((row) => nameOf(row) === object);
    requireFitting(scope, args, { exists: present !== undefined, names: rows.map(nameOf) });
    const own = kind === 'alias' ? aliasRequest(scope, args, present) : setRequest(scope, args, present);
    const requests = [...own, ...(await entryRequests(scope, args, present !== undefined))];
    if (requests.length === 0) {
      throw refused(
        scope,
        'INVALID_ARGUMENTS',
        'Nothing to change was given.',
        'Pass what is to be changed.',
      );
    }
    await sendAll(scope, requests);
    return {
      ...scope.fields(),
      kind,
      object: new_name,
      created: present === undefined,
      ...compact({ entries_saved: entries?.length }),
    };
  },
  summary({ scope, kind, object, created, entries_saved }) {
    const with_ = entries_saved === undefined ? '' : ` with ${entries_saved} of its entries`;
    return `${scope.label}: the ${KIND_WORDS[kind]} ${quoted(object)} was ${created ? 'made' : 'changed'}${with_}.`;
  },
});

/** @throws CallError INVALID_ARGUMENTS or CONFLICT */
function requireFitting(
  scope: Scope,
  { kind, object, new_name, cidr, entries }: Args,
  { exists, names }: { exists: boolean; names: readonly string[] },
): void {
  const refuse = (message: string, hint: string) => refused(scope, 'INVALID_ARGUMENTS', message, hint);
  if (cidr !== undefined && kind !== 'alias')
    throw refuse('`cidr` is of an alias alone.', 'A set takes `entries`.');
  if (entries !== undefined && kind !== 'ipset')
    throw refuse('`entries` are of an IP set alone.', 'Leave them out.');
  if (cidr !== undefined && !isAddress(cidr))
    throw refuse(`cidr is ${cidr}: no address or network.`, 'Correct it.');
  if (kind === 'alias' && !exists && cidr === undefined)
    throw refuse('A new alias needs `cidr`.', 'Pass it.');
  if (new_name !== undefined && !exists) {
    throw refused(
      scope,
      'NOT_FOUND',
      `There is no ${KIND_WORDS[kind]} ${object} to be renamed.`,
      `There are: ${names.join(', ') || 'none'}.`,
    );
  }
  if (new_name !== undefined && new_name !== object && names.includes(new_name)) {
    throw refused(
      scope,
      'CONFLICT',
      `There is a ${KIND_WORDS[kind]} ${new_name} already.`,
      'Choose another name.',
    );
  }
  if (kind === 'group' && object.length > 18) {
    throw refuse('The name of a group has 18 characters at most.', 'Choose a shorter one.');
  }
}

type Present = Readonly<Record<string, unknown>> | undefined;

function aliasRequest(scope: Scope, args: Args, present: Present): GateRequest[] {
  const { object, new_name, comment } = args;
  if (present === undefined) {
    const data = { name: object, ...compact({ cidr: args.cidr, comment }) };
    return [{ method: 'POST', path: collectionOf(scope, 'alias'), data, ...scope.expecting }];
  }
  if ((args.cidr ?? new_name ?? comment) === undefined) return [];
  // Proxmox takes a comment that is left out for one that is removed.
  const data = {
    cidr: args.cidr ?? textOf(present.cidr),
    ...compact({
      rename: new_name,
      comment: comment ?? textOf(present.comment),
      digest: textOf(present.digest),
    }),
  };
  return [{ method: 'PUT', path: scope.at('aliases', object), data, ...scope.expecting }];
}

/** Sets and groups are made, renamed and commented by one method. */
function setRequest(scope: Scope, args: Args, present: Present): GateRequest[] {
  const { kind, object, new_name, comment } = args;
  if (present !== undefined && (new_name ?? comment) === undefined) return [];
  const name = kind === 'group' ? 'group' : 'name';
  const data = {
    [name]: new_name ?? object,
    ...(present === undefined ? {} : { rename: object }),
    ...compact({ comment: comment ?? (present && textOf(present.comment)) }),
  };
  return [{ method: 'POST', path: collectionOf(scope, kind), data, ...scope.expecting }];
}

async function entryRequests(scope: Scope, args: Args, exists: boolean): Promise<GateRequest[]> {
  const { object, new_name = object, entries = [] } = args;
  if (entries.length === 0) return [];
  const wanted = entries.map((text) => entryOf(scope, text));
  const known = new Set(exists ? (await readEntries(scope, object)).map(({ cidr }) => cidr) : []);
  return wanted.map(({ cidr, nomatch, comment }): GateRequest => {
    const options = { nomatch: nomatch === true ? 1 : known.has(cidr) ? 0 : undefined, comment };
    return known.has(cidr)
      ? { method: 'PUT', path: scope.at('ipset', new_name, cidr), data: options, ...scope.expecting }
      : { method: 'POST', path: scope.at('ipset', new_name), data: { cidr, ...options }, ...scope.expecting };
  });
}
