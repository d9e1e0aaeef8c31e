import { invalidParameters } from '../../errors.ts';
import type { StorageType } from '../../state/cluster-state.ts';

interface Rule {
  required: string[];
  optional?: string[];
  /** What it holds unless told otherwise. */
  content: string[];
  shared?: true;
}

const IMAGES = ['images', 'rootdir'];
const FILES = ['create-base-path', 'create-subdirs', 'content-dirs', 'mkdir', 'preallocation', 'format'];
const FILE_STORE = [...FILES, 'prune-backups', 'max-protected-backups', 'snapshot-as-volume-chain'];

/** Which options each type of storage needs and knows, beside the common ones. */
export const RULES: Record<StorageType, Rule> = {
  btrfs: { required: ['path'], optional: [...FILE_STORE, 'is_mountpoint', 'nocow'], content: IMAGES },
  cephfs: {
    required: [],
    optional: [
      ...FILE_STORE,
      'fs-name',
      'fuse',
      'keyring',
      'monhost',
      'options',
      'path',
      'subdir',
      'username',
    ],
    content: ['backup', 'iso', 'vztmpl'],
    shared: true,
  },
  cifs: {
    required: ['server', 'share'],
    optional: [...FILE_STORE, 'domain', 'options', 'password', 'path', 'smbversion', 'subdir', 'username'],
    content: ['images'],
    shared: true,
  },
  dir: {
    required: ['path'],
    optional: [...FILE_STORE, 'is_mountpoint', 'shared'],
    content: ['images', 'rootdir'],
  },
  esxi: {
    required: ['server', 'username', 'password'],
    optional: ['skip-cert-verification', 'port'],
    content: ['import'],
    shared: true,
  },
  iscsi: { required: ['portal', 'target'], content: ['images'], shared: true },
  iscsidirect: { required: ['portal', 'target'], content: ['images'], shared: true },
  lvm: {
    required: ['vgname'],
    optional: [
      'base',
      'saferemove',
      'saferemove-stepsize',
      'saferemove_throughput',
      'shared',
      'tagged_only',
      'snapshot-as-volume-chain',
    ],
    content: IMAGES,
  },
  lvmthin: { required: ['vgname', 'thinpool'], content: IMAGES },
  nfs: {
    required: ['server', 'export'],
    optional: [...FILE_STORE, 'options', 'path'],
    content: ['images'],
    shared: true,
  },
  pbs: {
    required: ['server', 'datastore'],
    optional: [
      'encryption-key',
      'fingerprint',
      'master-pubkey',
      'max-protected-backups',
      'namespace',
      'password',
      'port',
      'prune-backups',
      'username',
    ],
    content: ['backup'],
    shared: true,
  },
  rbd: {
    required: ['pool'],
    optional: ['authsupported', 'data-pool', 'keyring', 'krbd', 'monhost', 'namespace', 'username'],
    content: ['images'],
    shared: true,
  },
  zfs: {
    required: ['pool', 'portal', 'target', 'iscsiprovider'],
    optional: ['blocksize', 'comstar_hg', 'comstar_tg', 'lio_tpg', 'nowritecache', 'sparse', 'zfs-base-path'],
    content: ['images'],
    shared: true,
  },
  zfspool: { required: ['pool'], optional: ['blocksize', 'mountpoint', 'sparse'], content: IMAGES },
};

/** Options that say where the data is: given once, never changed. */
export const FIXED = [
  'path',
  'export',
  'share',
  'vgname',
  'thinpool',
  'datastore',
  'portal',
  'target',
  'base',
  'iscsiprovider',
  'authsupported',
  'mountpoint',
];

/** Options that go in and never come out. */
export const HIDDEN = ['password', 'encryption-key', 'keyring', 'master-pubkey'];

const COMMON = ['bwlimit'];

/** Throws PVE's 400 for what the type of storage doesn't know and for what it can't do without. */
export function refuseOptions(type: StorageType, options: Record<string, unknown>, complete: boolean): void {
  const { required, optional = [] } = RULES[type];
  const known = [...required, ...optional, ...COMMON];
  const errors: Record<string, string> = {};
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) errors[key] = `unexpected property '${key}'`;
  }
  for (const key of complete ? required : []) {
    if (options[key] === undefined) errors[key] = 'missing value for required option';
  }
  if (Object.keys(errors).length > 0) throw invalidParameters(errors);
}
