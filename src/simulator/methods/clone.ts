import { failure, invalidParameters } from '../errors.ts';
import { findNode } from '../state/cluster-state.ts';
import { allocateBytes } from '../state/disks.ts';
import { type Guest, type GuestConfig, type GuestType, isTemplate, label, nameKey } from '../state/guest.ts';
import { requireSnapshot } from '../state/snapshots.ts';
import { hardwareAddress, storedValue } from '../state/stored-values.ts';
import { drives, requireStorage, requireStorageOn } from '../state/volumes.ts';
import { choice } from './declare.ts';
import { discard, emptyGuest, requirePool, reserve } from './guest-making.ts';
import { refuseLocked, startGuestTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  type Method,
  node,
  number,
  optional,
  optionalText,
  snapname,
  storage,
  string,
  vmid,
} from './method.ts';

interface Plan {
  source: Guest;
  config: GuestConfig;
  copy: Guest;
  full: boolean;
}

function clone(call: Call, type: GuestType): string {
  const { state } = call;
  const source = guestOf(call, type);
  const id = number(call, 'newid');
  refuseLocked(source);
  const pool = requirePool(call);
  const from = optionalText(call, 'snapname');
  const config = from === undefined ? source.config : requireSnapshot(source, from).config;
  const full = call.parameters.full === undefined ? !isTemplate(source) : flag(call, 'full');
  if (full && type === 'lxc' && source.status === 'running' && from === undefined) {
    throw failure('Cannot do full clones on a running container without snapshots');
  }
  const target = optionalText(call, 'target') ?? source.node;
  if (!findNode(state, target)) throw failure(`no such cluster node '${target}'`);
  const copy = emptyGuest(type, target, id, type === 'qemu' ? 'clone' : 'create');
  if (state.guests.has(id))
    throw failure(`unable to create ${label(copy)} ${id}: config file already exists`);
  const plan = { source, config, copy, full };
  refusePlace(call, plan);
  return startGuestTask(call, source, 'clone', {
    begin: () => reserve(call, copy, pool),
    end: () => {
      copyConfig(call, plan);
      delete copy.lock;
    },
    abort: () => discard(call, copy),
    log: [
      `cloning ${label(source)} ${source.vmid} to ${id}`,
      ...drives(source).map(([key]) => `${full ? 'copying' : 'linking'} ${key}`),
    ],
  });
}

/** A linked clone stays with its base, and what only one node has can't be cloned to another. */
function refusePlace(call: Call, { source, copy, full }: Plan): void {
  const wanted = optionalText(call, 'storage');
  const [first] = drives(source);
  if (!full && !isTemplate(source) && first) {
    throw failure(`Linked clone feature is not supported for drive '${first[0]}'`);
  }
  if (!full && wanted !== undefined) {
    throw invalidParameters({ storage: 'parameter not allowed for linked clones' });
  }
  if (wanted !== undefined) requireStorageOn(call.state, wanted, copy.node);
  const local = drives(source).some(([, volid]) => {
    return !requireStorage(call.state, volid.split(':')[0] ?? '').shared;
  });
  if (copy.node !== source.node && local) {
    const uses = `${label(source)} uses local storage`;
    throw failure(`can't clone ${label(source)} to node '${copy.node}' (${uses})`);
  }
}

function copyDrives(call: Call, { source, config, copy, full }: Plan): void {
  const { state } = call;
  const format = optionalText(call, 'format');
  for (const [key, volid, size] of drives({ type: source.type, config })) {
    const own = volid.split(':')[0] ?? '';
    const target = optionalText(call, 'storage') ?? own;
    const volume = full
      ? allocateBytes(state, copy, target, size, format === undefined ? {} : { format })
      : allocateBytes(state, copy, own, size, { parent: volid });
    copy.config[key] = String(config[key]).replace(volid, volume);
  }
  for (const [key, value] of Object.entries(config)) {
    const [, storage] = /^([^:,]+):.*vm-\d+-cloudinit/.exec(String(value)) ?? [];
    if (storage !== undefined)
      copy.config[key] = storedValue(
        state,
        copy,
        key,
        `${optionalText(call, 'storage') ?? storage}:cloudinit`,
      );
  }
}

function copyConfig(call: Call, plan: Plan): void {
  const { source, config, copy } = plan;
  const { template: _template, protection: _protection, vmstate: _vmstate, ...kept } = config;
  copy.config = Object.fromEntries(Object.entries(kept).filter(([key]) => !key.startsWith('unused')));
  const used = Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('unused')));
  copyDrives(call, { ...plan, config: used });
  for (const key of Object.keys(copy.config).filter((option) => /^net\d+$/.test(option))) {
    const address = hardwareAddress(copy, key);
    copy.config[key] = String(copy.config[key]).replace(/([0-9A-F]{2}:){5}[0-9A-F]{2}/i, address);
  }
  const key = nameKey(copy.type);
  const original = source.config[key] ?? source.vmid;
  copy.config[key] = optionalText(call, key) ?? `Copy-of-${label(copy)}-${original}`;
  const description = optionalText(call, 'description');
  if (description !== undefined) copy.config.description = description;
}

/** Copying a guest of one kind. */
export function cloneMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}`;
  return [
    {
      method: 'POST',
      path: `${path}/{vmid}/clone`,
      properties: {
        node,
        vmid,
        newid: vmid,
        bwlimit: { type: type === 'qemu' ? 'integer' : 'number', optional: 1, minimum: 0 },
        description: optional(string),
        ...(type === 'qemu' ? { format: choice('raw', 'qcow2', 'vmdk') } : {}),
        full: boolean,
        [nameKey(type)]: optional({ type: 'string', format: 'dns-name' }),
        pool: optional(string),
        snapname: optional(snapname),
        storage: optional(storage),
        target: optional(node),
      },
      permissions: {
        check: [
          'and',
          ['perm', '/vms/{vmid}', ['VM.Clone']],
          [
            'or',
            ['perm', '/vms/{newid}', ['VM.Allocate']],
            ['perm', '/pool/{pool}', ['VM.Allocate'], 'require_param', 'pool'],
          ],
        ],
      },
      handler: (call) => clone(call, type),
    },
  ];
}
