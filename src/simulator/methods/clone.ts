import { failure } from '../errors.ts';
import { findNode } from '../state/cluster-state.ts';
import { type Guest, type GuestConfig, type GuestType, isTemplate, label, nameKey } from '../state/guest.ts';
import { requireSnapshot } from '../state/snapshots.ts';
import { allocateDisk, drives, GIB, hardwareAddress, requireStorage } from '../state/volumes.ts';
import { discard, emptyGuest, requirePool, reserve } from './guest-making.ts';
import { refuseLocked, startGuestTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  integer,
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

function clone(call: Call, type: GuestType): string {
  const { state } = call;
  const source = guestOf(call, type);
  const id = number(call, 'newid');
  refuseLocked(source);
  const pool = requirePool(call);
  const from = optionalText(call, 'snapname');
  const config = from === undefined ? source.config : requireSnapshot(source, from).config;
  const full = call.parameters.full === undefined ? !isTemplate(source) : flag(call, 'full');
  const disk = drives(source)[0]?.[0];
  if (!full && !isTemplate(source) && disk) {
    throw failure(`Linked clone feature is not supported for drive '${disk}'`);
  }
  if (full && type === 'lxc' && source.status === 'running' && from === undefined) {
    throw failure('Cannot do full clones on a running container without snapshots');
  }
  const target = optionalText(call, 'target') ?? source.node;
  if (!findNode(state, target)) throw failure(`no such cluster node '${target}'`);
  const wanted = optionalText(call, 'storage');
  if (wanted !== undefined) requireStorage(state, wanted);
  const copy = emptyGuest(type, target, id, type === 'qemu' ? 'clone' : 'create');
  if (state.guests.has(id))
    throw failure(`unable to create ${label(copy)} ${id}: config file already exists`);
  return startGuestTask(call, source, 'clone', {
    begin: () => reserve(call, copy, pool),
    end: () => {
      copyConfig(call, { source, config, copy });
      delete copy.lock;
    },
    abort: () => discard(call, copy),
    log: [
      `cloning ${label(source)} ${source.vmid} to ${id}`,
      ...drives(source).map(([key]) => `copying ${key}`),
    ],
  });
}

function copyConfig(
  call: Call,
  { source, config, copy }: { source: Guest; config: GuestConfig; copy: Guest },
): void {
  const { template: _template, protection: _protection, ...kept } = config;
  copy.config = { ...kept };
  for (const [key, volid, size] of drives({ type: source.type, config })) {
    const target = optionalText(call, 'storage') ?? volid.split(':')[0] ?? '';
    const volume = allocateDisk(call.state, copy, target, size / GIB);
    copy.config[key] = String(config[key]).replace(volid, volume);
  }
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
        bwlimit: integer(0),
        description: optional(string),
        format: optional({ type: 'string', enum: ['raw', 'qcow2', 'vmdk'] }),
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
