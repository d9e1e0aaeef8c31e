import { failure } from '../../errors.ts';
import type { Realm } from '../../state/access.ts';
import { digestOf, optionsOf, refuseStale, updateEntry } from '../../state/section.ts';
import type { Properties } from '../../verify.ts';
import { booleans, served, startNodeTask, texts } from '../declare.ts';
import { type Call, type Method, text } from '../method.ts';
import { requireRealm } from './checks.ts';

const SECRETS = ['password', 'client-key'];

function list(call: Call): unknown {
  return [...call.state.access.realms.values()].map((realm) => ({
    realm: realm.realm,
    type: realm.type,
    ...(realm.comment === undefined ? {} : { comment: realm.comment }),
    ...(realm.default === undefined ? {} : { default: 1 }),
  }));
}

function dropDefault(call: Call): void {
  if (call.parameters.default !== 1) return;
  for (const realm of call.state.access.realms.values()) delete realm.default;
}

/** Secrets are stored apart and never shown. */
const withoutSecrets = (call: Call): Record<string, string | number | string[]> => {
  return optionsOf(call.parameters, 'check-connection', ...SECRETS);
};

function create(call: Call): null {
  const name = text(call, 'realm');
  const { realms } = call.state.access;
  if (realms.has(name)) throw failure(`domain '${name}' already exists`);
  const type = text(call, 'type');
  if (type === 'pam' || type === 'pve') throw failure(`unable to create builtin type '${type}'`);
  dropDefault(call);
  realms.set(name, { ...withoutSecrets(call), realm: name, type });
  return null;
}

function show(call: Call): unknown {
  const { realm: _realm, ...rest } = requireRealm(call, text(call, 'realm'));
  return { ...rest, digest: digestOf(rest) };
}

function update(call: Call): null {
  const realm = requireRealm(call, text(call, 'realm'));
  const { realm: _realm, ...present } = realm;
  refuseStale(call.parameters, present);
  dropDefault(call);
  const next: Record<string, string | number | string[]> = {};
  updateEntry(next, { ...definedOf(realm), ...withoutSecrets(call) });
  updateEntry(next, { delete: String(call.parameters.delete ?? '') });
  for (const key of Object.keys(realm)) if (next[key] === undefined) delete realm[key];
  Object.assign(realm, next);
  return null;
}

function definedOf(realm: Realm): Record<string, string | number | string[]> {
  const entries = Object.entries(realm).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return Object.fromEntries(entries);
}

function remove(call: Call): null {
  const { type, realm } = requireRealm(call, text(call, 'realm'));
  if (type === 'pam' || type === 'pve') throw failure(`unable to delete builtin type '${type}'`);
  const users = [...call.state.access.users.keys()].filter((userid) => userid.endsWith(`@${realm}`));
  for (const userid of users) {
    call.state.access.users.delete(userid);
    call.state.access.forget(userid);
  }
  call.state.access.realms.delete(realm);
  return null;
}

function sync(call: Call): string {
  const { realm, type } = requireRealm(call, text(call, 'realm'));
  if (type !== 'ldap' && type !== 'ad') throw failure('Cannot sync non-LDAP realm');
  return startNodeTask(call, 'auth-realm-sync', realm, {
    end: () => undefined,
    log: [`read accounts of realm ${realm}`, 'no accounts added, changed or removed'],
  });
}

const one = '/access/domains/{realm}';

/** For OpenID. */
const NEWER: Properties = {
  ...texts('audiences', 'groups-claim'),
  ...booleans('groups-autocreate', 'groups-overwrite', 'query-userinfo'),
};

export const realmMethods: Method[] = [
  served('GET', '/access/domains', list),
  served('POST', '/access/domains', create, NEWER),
  served('GET', one, show),
  served('PUT', one, update, NEWER),
  served('DELETE', one, remove),
  served('POST', `${one}/sync`, sync),
];
