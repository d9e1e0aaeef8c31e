import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import type { Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { noted } from '../results.ts';
import { expireParam, expireSeconds, userParam } from './identity.ts';
import { REALM_CALLS, readRealms, readUsers, realmType, shownUser, USER_CALLS, userRow } from './users.ts';

const PARAMETERS = ['email', 'firstname', 'lastname', 'comment', 'groups', 'enable', 'expire'];

const input = z.strictObject({
  cluster: clusterParam,
  user: userParam.describe('name@realm'),
  password: z.string().min(8).max(64).optional().describe('Of a new user; later change_password.'),
  email: z.string().max(254).optional(),
  firstname: z.string().max(1024).optional(),
  lastname: z.string().max(1024).optional(),
  comment: z.string().max(2048).optional(),
  groups: z.array(textParam()).max(100).optional().describe('All of them: others are left.'),
  enabled: z.boolean().optional(),
  expire: expireParam.optional(),
  unlock: z.boolean().default(false).describe('Second factors locked by wrong attempts.'),
});

type Args = z.output<typeof input>;

export const saveUser = defineTool({
  name: 'save_user',
  title: 'Create or change a user',
  description: 'Creates a user, or changes what is given of one. Rights come from its groups and set_acl.',
  toolset: 'access',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', '/access/users', 'userid', 'password', ...PARAMETERS],
    ['PUT', '/access/users/{userid}', ...PARAMETERS],
    ['PUT', '/access/users/{userid}/unlock-tfa'],
    ...USER_CALLS,
    ...REALM_CALLS,
  ],
  input,
  output: z.object({ ...selectedFields, created: z.boolean(), user: userRow, note: z.string().optional() }),
  async run(args, context) {
    const { user } = args;
    const options = optionsOf(args, context.now());
    const cluster = context.cluster(args.cluster).alone();
    const [before, realms] = await Promise.all([readUsers(cluster), readRealms(cluster)]);
    const kind = realmType(cluster, realms, user);
    const created = !before.some((row) => row.userid === user);
    requireSensible(cluster, args, {
      kind,
      created,
      isEmpty: Object.keys(options).length === 0 && !args.unlock,
    });
    const requests = requestsOf(args, options, created);
    await cluster.approve(requests);
    for (const request of requests) await cluster.request(request);
    // It is done, whether it may be seen or not.
    const users = await readUsers(cluster).catch(() => []);
    const row = users.find(({ userid }) => userid === user) ?? { userid: user, ...options };
    const unable = created && kind === 'pve' && args.password === undefined;
    return {
      ...selectionOf(cluster),
      created,
      user: shownUser(row, context.now()),
      ...noted(unable ? 'Without a password it can use tokens alone.' : undefined),
    };
  },
  summary({ cluster, created, user, note }) {
    const { user: id = '', groups = [], enabled } = user;
    const where = groups.length === 0 ? 'in no group' : `in ${groups.map(quoted).join(', ')}`;
    const off = enabled === false ? ' It is disabled.' : '';
    return `The user ${quoted(id)} of ${cluster} was ${created ? 'created' : 'changed'}; it is ${where}.${off}${note ? ` ${note}` : ''}`;
  },
});

function optionsOf({ email, firstname, lastname, comment, groups, enabled, expire }: Args, now: number) {
  const given = {
    email,
    firstname,
    lastname,
    comment,
    groups: groups?.map((group) => group.replace(/^@/, '')).join(','),
    enable: enabled,
    expire: expireSeconds(expire, now),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function requestsOf({ user, password, unlock }: Args, options: Json, created: boolean): GateRequest[] {
  if (created) {
    return [{ method: 'POST', path: apiPath`/access/users`, data: { userid: user, password, ...options } }];
  }
  const change: GateRequest = { method: 'PUT', path: apiPath`/access/users/${user}`, data: options };
  const free: GateRequest = { method: 'PUT', path: apiPath`/access/users/${user}/unlock-tfa` };
  return [...(Object.keys(options).length === 0 ? [] : [change]), ...(unlock ? [free] : [])];
}

interface Found {
  kind: string;
  created: boolean;
  isEmpty: boolean;
}

/** @throws CallError INVALID_ARGUMENTS */
function requireSensible(
  cluster: GatedCluster,
  { user, password }: Args,
  { kind, created, isEmpty }: Found,
): void {
  const refuse = refuser(cluster.name);
  if (password !== undefined && !created) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `${quoted(user)} exists; its password is not changed this way.`,
      'Use change_password.',
    );
  }
  if (password !== undefined && kind !== 'pve' && kind !== 'pam') {
    throw refuse(
      'INVALID_ARGUMENTS',
      `The realm of ${quoted(user)} is of type ${quoted(kind)}, which keeps its passwords itself.`,
      'Leave `password` out.',
    );
  }
  if (!created && isEmpty) {
    throw refuse(
      'INVALID_ARGUMENTS',
      `${quoted(user)} exists, and nothing is to be changed.`,
      'Pass what is to be changed.',
    );
  }
}
