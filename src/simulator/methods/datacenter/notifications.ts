import { ApiError } from '../../errors.ts';
import type { StoredObject } from '../../state/collections.ts';
import { ENDPOINTS, MATCHERS } from '../../state/notifications.ts';
import { arrays, booleans, choice, on, required, served, texts } from '../declare.ts';
import { createKept, keptMethods, updateKept } from '../kept.ts';
import { type Call, type Method, type Permissions, text } from '../method.ts';

const TYPES = ['sendmail', 'gotify', 'smtp', 'webhook'];
const MATCHER = { path: MATCHERS, noun: 'matcher', key: 'name' } as const;

interface Endpoint {
  name: string;
  type: string;
  options: StoredObject;
}

/** Those of all types share their names. */
function endpoints({ state }: Call): Endpoint[] {
  return TYPES.flatMap((type) =>
    state.collections.list(`${ENDPOINTS}/${type}`).map(([name, options]) => ({ name, type, options })),
  );
}

function targets(call: Call): unknown {
  return endpoints(call).map(({ name, type, options: { comment, disable, origin = 'user-created' } }) => ({
    name,
    type,
    origin,
    ...(comment === undefined ? {} : { comment }),
    ...(disable === undefined ? {} : { disable }),
  }));
}

function requireEndpoints(call: Call, names: readonly unknown[]): void {
  const known = new Set(endpoints(call).map(({ name }) => name));
  const unknown = names.find((name) => !known.has(String(name)));
  if (unknown !== undefined) throw new ApiError(404, `endpoint '${unknown}' does not exist`);
}

/** Mail and HTTP go nowhere here. */
function test(call: Call): null {
  const name = text(call, 'name');
  requireEndpoints(call, [name]);
  const { datacenter } = call.state;
  datacenter.notified = [...(datacenter.notified ?? []), name];
  return null;
}

function remove(type: string) {
  return (call: Call): null => {
    const name = text(call, 'name');
    const { collections } = call.state;
    const users = collections.list(MATCHERS).filter(([, { target }]) => [target ?? []].flat().includes(name));
    if (users.length > 0) {
      const names = users.map(([user]) => user).join(', ');
      throw new ApiError(400, `cannot delete '${name}', referenced by: ${names}`);
    }
    collections.remove({ path: `${ENDPOINTS}/${type}`, noun: 'endpoint' }, name);
    return null;
  };
}

/** A matcher names targets that there are. */
function checked(save: typeof createKept) {
  return (call: Call): null => {
    requireEndpoints(call, [call.parameters.target ?? []].flat());
    return save(call, MATCHER);
  };
}

const place = '/mapping/notifications';

/** Who sets up what the hosts send to, lets them reach any server. */
const reaching: Permissions = {
  check: [
    'and',
    ['perm', place, ['Mapping.Modify']],
    ['or', ['perm', '/', ['Sys.Audit', 'Sys.Modify']], ['perm', '/', ['Sys.AccessNetwork']]],
  ],
};

const webhooks = keptMethods({
  path: `${ENDPOINTS}/webhook`,
  noun: 'endpoint',
  key: 'name',
  removal: 'array',
  permissions: {
    list: on(place, 'Mapping.Audit'),
    create: reaching,
    read: { check: ['or', ['perm', place, ['Mapping.Modify']], ['perm', place, ['Mapping.Audit']]] },
    update: reaching,
    remove: on(place, 'Mapping.Modify'),
  },
  properties: {
    ...texts('body', 'comment'),
    url: required({ type: 'string' }),
    method: required(choice('post', 'put', 'get')),
    ...booleans('disable'),
    ...arrays('header', 'secret'),
  },
});

export const notificationMethods: Method[] = [
  ...webhooks.filter(({ method }) => method !== 'DELETE'),
  ...webhooks
    .filter(({ method }) => method === 'DELETE')
    .map((method) => ({ ...method, handler: remove('webhook') })),
  ...['sendmail', 'gotify', 'smtp'].map((type) =>
    served('DELETE', `${ENDPOINTS}/${type}/{name}`, remove(type)),
  ),
  served('GET', '/cluster/notifications/targets', targets),
  served('POST', '/cluster/notifications/targets/{name}/test', test),
  served('POST', MATCHERS, checked(createKept)),
  served('PUT', `${MATCHERS}/{name}`, checked(updateKept)),
];
