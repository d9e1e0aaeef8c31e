import { failure, forbidden, invalidParameters } from '../../errors.ts';
import { backendOf } from '../../state/backends.ts';
import {
  type ClusterState,
  STORAGE_TYPES,
  type Storage,
  type StorageType,
} from '../../state/cluster-state.ts';
import { digestOf } from '../../state/section.ts';
import { GIB } from '../../state/sizes.ts';
import { requireStorage } from '../../state/volumes.ts';
import type { Properties } from '../../verify.ts';
import { booleans, choice, declare, items, on, required, texts } from '../declare.ts';
import { type Call, integer, type Method, optionalText, storage, text } from '../method.ts';
import { visibleStorages } from '../resources.ts';
import { FIXED, HIDDEN, RULES, refuseOptions } from './definition-rules.ts';

const NEW_TOTAL = 1000 * GIB;
const CONTENT = ['images', 'rootdir', 'vztmpl', 'iso', 'backup', 'snippets', 'import', 'none'];

/** A definition as its section of the storage file holds it, secrets left out. */
function show(definition: Storage): Record<string, unknown> {
  const { storage: name, type, content, nodes, shared, disabled, options } = definition;
  const open = Object.entries(options).filter(([key]) => !HIDDEN.includes(key));
  return {
    storage: name,
    type,
    content: content.join(','),
    ...(nodes ? { nodes: nodes.join(',') } : {}),
    ...(shared ? { shared: 1 } : {}),
    ...(disabled ? { disable: 1 } : {}),
    ...Object.fromEntries(open),
    digest: digestOf([name, type, content, nodes, shared, disabled, options]),
  };
}

function list(call: Call): unknown {
  const type = optionalText(call, 'type');
  return visibleStorages(call)
    .filter((candidate) => type === undefined || candidate.type === type)
    .map(show);
}

function contentOf(call: Call): string[] | undefined {
  const given = optionalText(call, 'content');
  if (given === undefined) return undefined;
  const kinds = items(given);
  const unknown = kinds.find((kind) => !CONTENT.includes(kind));
  if (unknown !== undefined) {
    throw invalidParameters({ content: `invalid format - invalid content type '${unknown}'\n` });
  }
  return kinds;
}

function nodesOf(call: Call): string[] | undefined {
  const given = optionalText(call, 'nodes');
  return given === undefined ? undefined : items(given);
}

/** What only one type of storage knows, as text. */
function ownOptions(call: Call): Record<string, string> {
  const common = ['storage', 'type', 'content', 'nodes', 'disable', 'shared', 'delete', 'digest'];
  const own = Object.entries(call.parameters).filter(([key]) => !common.includes(key));
  return Object.fromEntries(own.map(([key, value]) => [key, String(value)]));
}

/** Where another cluster has the same place already, its size is known. */
function totalOf(state: ClusterState, definition: Storage): number {
  const backend = backendOf(definition);
  const known = [state, ...(state.peers ?? []).map((peer) => peer.state)].flatMap(({ storages }) => storages);
  return known.find((other) => backend !== undefined && backendOf(other) === backend)?.total ?? NEW_TOTAL;
}

function create(call: Call): unknown {
  const { state } = call;
  const name = text(call, 'storage');
  const type = text(call, 'type') as StorageType;
  if (state.storages.some((candidate) => candidate.storage === name)) {
    throw failure(`create storage failed: storage ID '${name}' already defined`);
  }
  const options = ownOptions(call);
  refuseOptions(type, options, true);
  const nodes = nodesOf(call);
  const definition: Storage = {
    storage: name,
    type,
    content: contentOf(call) ?? RULES[type].content,
    ...(nodes ? { nodes } : {}),
    shared: RULES[type].shared === true || call.parameters.shared === 1,
    ...(call.parameters.disable === 1 ? { disabled: true } : {}),
    total: 0,
    options: type === 'nfs' || type === 'cifs' ? { path: `/mnt/pve/${name}`, ...options } : options,
  };
  definition.total = totalOf(state, definition);
  state.storages.push(definition);
  return { storage: name, type };
}

function update(call: Call): unknown {
  const definition = requireStorage(call.state, text(call, 'storage'));
  const digest = optionalText(call, 'digest');
  if (digest !== undefined && digest !== show(definition).digest) {
    throw failure('detected modified configuration - file changed by other user? Try again.');
  }
  const options = ownOptions(call);
  refuseOptions(definition.type, options, false);
  const remove = items(optionalText(call, 'delete'));
  const fixed = remove.find((key) => FIXED.includes(key) || RULES[definition.type].required.includes(key));
  if (fixed !== undefined) throw failure(`unable to delete required option '${fixed}'`);
  for (const key of remove) {
    if (key === 'nodes') delete definition.nodes;
    else if (key === 'disable') delete definition.disabled;
    else if (key === 'shared') definition.shared = RULES[definition.type].shared === true;
    else if (key === 'content') definition.content = RULES[definition.type].content;
    else delete definition.options[key];
  }
  Object.assign(definition.options, options);
  definition.content = contentOf(call) ?? definition.content;
  const nodes = nodesOf(call);
  if (nodes) definition.nodes = nodes;
  if (call.parameters.shared !== undefined) definition.shared = call.parameters.shared === 1;
  if (call.parameters.disable === 1) definition.disabled = true;
  if (call.parameters.disable === 0) delete definition.disabled;
  return { storage: definition.storage, type: definition.type };
}

function showOne(call: Call): unknown {
  return show(requireStorage(call.state, text(call, 'storage')));
}

/** The definition goes, the data stays: defined anew, it is there again. */
function remove(call: Call): null {
  const { storages } = call.state;
  const definition = requireStorage(call.state, text(call, 'storage'));
  if (definition.storage === 'local') throw forbidden(`unable to delete storage 'local'`);
  storages.splice(storages.indexOf(definition), 1);
  return null;
}

const CHANGEABLE: Properties = {
  ...booleans(
    'create-base-path',
    'create-subdirs',
    'disable',
    'fuse',
    'krbd',
    'mkdir',
    'nocow',
    'nowritecache',
  ),
  ...booleans(
    'saferemove',
    'shared',
    'skip-cert-verification',
    'snapshot-as-volume-chain',
    'sparse',
    'tagged_only',
  ),
  ...texts(
    'blocksize',
    'bwlimit',
    'comstar_hg',
    'comstar_tg',
    'content',
    'content-dirs',
    'data-pool',
    'domain',
  ),
  ...texts(
    'encryption-key',
    'fingerprint',
    'fs-name',
    'is_mountpoint',
    'keyring',
    'lio_tpg',
    'master-pubkey',
  ),
  ...texts('monhost', 'mountpoint', 'namespace', 'nodes', 'options', 'password', 'pool', 'prune-backups'),
  ...texts('saferemove_throughput', 'server', 'subdir', 'username', 'zfs-base-path'),
  format: choice('raw', 'qcow2', 'subvol', 'vmdk'),
  'max-protected-backups': integer(-1),
  port: integer(1, 65_535),
  preallocation: choice('off', 'metadata', 'falloc', 'full'),
  'saferemove-stepsize': { ...choice('1', '2', '4', '8', '16', '32'), type: 'integer' },
  smbversion: choice('default', '2.0', '2.1', '3', '3.0', '3.11'),
};
const CREATION: Properties = {
  ...texts(
    'authsupported',
    'base',
    'datastore',
    'export',
    'iscsiprovider',
    'path',
    'portal',
    'share',
    'target',
  ),
  ...texts('thinpool', 'vgname'),
};
const type = choice(...STORAGE_TYPES);
const control: Properties = { ...texts('delete'), digest: { type: 'string', maxLength: 64, optional: 1 } };
const change = on('/storage', 'Datastore.Allocate');

/** What storages there are, and what they hold where. */
export const definitionMethods: Method[] = [
  declare('GET', '/storage', { user: 'all' }, { type }, list),
  declare('POST', '/storage', change, { ...CHANGEABLE, ...CREATION, storage, type: required(type) }, create),
  declare('GET', '/storage/{storage}', on('/storage/{storage}', 'Datastore.Allocate'), { storage }, showOne),
  declare('PUT', '/storage/{storage}', change, { ...CHANGEABLE, ...control, storage }, update),
  declare('DELETE', '/storage/{storage}', change, { storage }, remove),
];
