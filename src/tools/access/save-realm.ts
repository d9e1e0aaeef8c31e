import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { textOf } from '../results.ts';
import { REALM_NEEDS, REALM_OPTIONS, REALM_TYPES } from './realm-options.ts';
import { REALM_CALLS, readRealms } from './users.ts';

const input = z.strictObject({
  cluster: clusterParam,
  realm: textParam(32),
  type: z.enum(REALM_TYPES).optional().describe('Of a new one.'),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe(
      "By Proxmox' names. ad: server1, domain; ldap: server1, base_dn, user_attr; openid: issuer-url, client-id, client-key; and others.",
    ),
  remove: z.array(textParam()).max(50).optional().describe('Options to reset.'),
});

type Args = z.output<typeof input>;

export const saveRealm = defineTool({
  name: 'save_realm',
  title: 'Create or change a realm',
  description: 'Creates a realm (AD, LDAP, OpenID) where users log in, or changes options of one.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/access/domains', 'realm', 'type', ...REALM_OPTIONS, 'username-claim'],
    ['PUT', '/access/domains/{realm}', ...REALM_OPTIONS, 'delete'],
    ...REALM_CALLS,
  ],
  input,
  output: z.object({ ...selectedFields, created: z.boolean(), realm: z.string(), type: z.string() }),
  async run(args, context) {
    const { realm, options, remove } = args;
    const cluster = context.cluster(args.cluster).alone();
    const present = (await readRealms(cluster)).find((row) => row.realm === realm);
    const type = textOf(present?.type) ?? newType(cluster, args);
    await cluster.request(
      present === undefined
        ? { method: 'POST', path: apiPath`/access/domains`, data: { ...options, realm, type } }
        : {
            method: 'PUT',
            path: apiPath`/access/domains/${realm}`,
            data: { ...options, delete: remove?.join(',') },
          },
    );
    return { ...selectionOf(cluster), created: present === undefined, realm, type };
  },
  summary({ cluster, created, realm, type }) {
    const next = created && type !== 'openid' ? ' sync_realm brings its users in.' : '';
    return `The realm ${quoted(realm)} (${quoted(type)}) of ${cluster} was ${created ? 'created' : 'changed'}.${next}`;
  },
});

/** @throws CallError INVALID_ARGUMENTS where a new realm lacks what its type needs */
function newType(cluster: GatedCluster, { realm, type, options, remove }: Args): string {
  const refuse = refuser(cluster.name);
  if (type === undefined) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `${cluster.name} has no realm ${quoted(realm)} yet; a new one needs a \`type\`.`,
      `Pass one of ${REALM_TYPES.join(', ')}.`,
    );
  }
  const missing = REALM_NEEDS[type].filter((name) => options[name] === undefined || options[name] === null);
  if (missing.length > 0) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `A realm of type ${type} needs ${missing.join(', ')} in \`options\`.`,
      'describe_api POST /access/domains tells of each option.',
    );
  }
  if (remove !== undefined && remove.length > 0) {
    throw refuse('INVALID_ARGUMENTS', 'A new realm has no options to reset.', 'Leave `remove` out.');
  }
  return type;
}
