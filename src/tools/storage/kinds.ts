import { didYouMean } from '../../config/nearest.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';

export const STORAGE_KINDS = [
  'dir',
  'nfs',
  'cifs',
  'lvm',
  'lvmthin',
  'zfspool',
  'pbs',
  'cephfs',
  'rbd',
  'iscsi',
] as const;
export type StorageKind = (typeof STORAGE_KINDS)[number];

interface KindRules {
  required: readonly string[];
  optional: readonly string[];
  /** What it can hold. */
  content: readonly string[];
}

const FILES = ['content-dirs', 'create-base-path', 'create-subdirs', 'format', 'preallocation'];
const FILE_STORE = [...FILES, 'max-protected-backups', 'snapshot-as-volume-chain'];
const ANYTHING = ['images', 'rootdir', 'iso', 'vztmpl', 'backup', 'snippets', 'import'];
const DISKS = ['images', 'rootdir'];

/** Which options a storage of each type needs and knows, as PVE's storage plugins have it, and what it can hold. */
const RULES: Record<StorageKind, KindRules> = {
  dir: { required: ['path'], optional: [...FILE_STORE, 'is_mountpoint', 'shared'], content: ANYTHING },
  nfs: { required: ['server', 'export'], optional: [...FILE_STORE, 'options', 'path'], content: ANYTHING },
  cifs: {
    required: ['server', 'share'],
    optional: [...FILE_STORE, 'username', 'password', 'domain', 'smbversion', 'options', 'subdir', 'path'],
    content: ANYTHING,
  },
  lvm: {
    required: ['vgname'],
    optional: [
      'base',
      'saferemove',
      'saferemove_throughput',
      'shared',
      'snapshot-as-volume-chain',
      'tagged_only',
    ],
    content: DISKS,
  },
  lvmthin: { required: ['vgname', 'thinpool'], optional: [], content: DISKS },
  zfspool: { required: ['pool'], optional: ['blocksize', 'mountpoint', 'sparse'], content: DISKS },
  pbs: {
    // Proxmox takes one without a login, and can't use it then.
    required: ['server', 'datastore', 'username', 'password'],
    optional: [
      'encryption-key',
      'fingerprint',
      'master-pubkey',
      'max-protected-backups',
      'namespace',
      'port',
    ],
    content: ['backup'],
  },
  cephfs: {
    required: [],
    optional: [...FILES, 'fs-name', 'fuse', 'keyring', 'monhost', 'options', 'path', 'subdir', 'username'],
    content: ['iso', 'vztmpl', 'backup', 'snippets', 'import'],
  },
  rbd: {
    required: ['pool'],
    optional: ['data-pool', 'keyring', 'krbd', 'monhost', 'namespace', 'username'],
    content: DISKS,
  },
  iscsi: { required: ['portal', 'target'], optional: [], content: ['images', 'none'] },
};

/** They say where the data is: given once. */
const FIXED = new Set([
  ...['base', 'datastore', 'export', 'mountpoint', 'path', 'pool', 'portal', 'server', 'share', 'target'],
  ...['thinpool', 'vgname'],
]);

/** They go in and never come out. */
const SECRETS: ReadonlySet<string> = new Set(['password', 'keyring', 'encryption-key']);

/** Every option of any type, for the calls of the tools. */
export const CREATION_OPTIONS: readonly string[] = unique(
  Object.values(RULES).flatMap(({ required, optional }) => [...required, ...optional]),
);
export const CHANGE_OPTIONS: readonly string[] = CREATION_OPTIONS.filter((name) => !FIXED.has(name));

export type OptionValues = Readonly<Record<string, string | number | boolean>>;

export function isKind(type: string): type is StorageKind {
  return Object.hasOwn(RULES, type);
}

/** What a storage of this type can hold; undefined for types that these tools don't know. */
export function canHold(type: string): readonly string[] | undefined {
  return isKind(type) ? RULES[type].content : undefined;
}

/** Options of a definition that may be shown: no secret, whatever Proxmox says. */
export function withoutSecrets(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, SECRETS.has(name) ? 'set' : value]),
  );
}

/**
 * The options of a new storage.
 *
 * @throws CallError INVALID_ARGUMENTS that names what is missing and what this type does not know
 */
export function creationOptions(kind: StorageKind, given: OptionValues): OptionValues {
  const { required, optional } = RULES[kind];
  const options = known(kind, given);
  const missing = required.filter((name) => options[name] === undefined || options[name] === '');
  const lacking =
    kind === 'cifs' && options.password !== undefined && options.username === undefined ? ['username'] : [];
  if (missing.length + lacking.length === 0) return options;
  const others = optional.length === 0 ? '' : ` It also takes ${optional.join(', ')}.`;
  throw refused(
    `A storage of type ${kind} needs ${[...missing, ...lacking].join(', ')} in \`options\`.`,
    `${kind} needs ${required.join(', ')}.${others}`,
  );
}

/**
 * Changes to the options of a storage, and those that are to be reset.
 *
 * @throws CallError INVALID_ARGUMENTS for what can't be changed
 */
export function changeOptions(kind: StorageKind, given: OptionValues, reset: readonly string[] = []) {
  const options = known(kind, given);
  const removed = Object.keys(known(kind, Object.fromEntries(reset.map((name) => [name, '']))));
  const fixed = [...Object.keys(options), ...removed].filter((name) => FIXED.has(name));
  if (fixed.length > 0) {
    throw refused(
      `${fixed.join(', ')} of a storage can't be changed: it says where the data is.`,
      'Create another storage with the new value; delete_storage takes this definition away and leaves the data.',
    );
  }
  const needed = removed.filter((name) => RULES[kind].required.includes(name));
  if (needed.length > 0) throw refused(`${kind} needs ${needed.join(', ')}.`, 'Give a new value instead.');
  return { options, removed };
}

/** @throws CallError INVALID_ARGUMENTS for what a storage of this type can't hold */
export function requireContent(kind: string, content: readonly string[] | undefined): void {
  const possible = canHold(kind);
  const wrong = possible && content?.filter((one) => one !== 'none' && !possible.includes(one));
  if (possible === undefined || !wrong?.length) return;
  throw refused(
    `A storage of type ${kind} can't hold ${wrong.join(', ')}.`,
    `It can hold ${possible.join(', ')}.`,
  );
}

/** By the names of Proxmox; `fs_name` is read as `fs-name`. */
function known(kind: StorageKind, given: OptionValues): OptionValues {
  const { required, optional } = RULES[kind];
  const names = [...required, ...optional];
  const unknown: string[] = [];
  const entries = Object.entries(given).flatMap(([name, value]): [string, string | number | boolean][] => {
    const found = [name, name.replaceAll('_', '-'), name.replaceAll('-', '_')].find((one) =>
      names.includes(one),
    );
    if (found === undefined) unknown.push(name);
    return found === undefined ? [] : [[found, value]];
  });
  if (unknown.length === 0) return Object.fromEntries(entries);
  const [first = ''] = unknown;
  throw refused(
    `A storage of type ${kind} has no option ${someOf(unknown.map((name) => inQuotes(name)))}.${didYouMean(first, names)}`,
    `${kind} takes ${someOf(names, 30)}.`,
  );
}

function refused(message: string, hint: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, { hint: `${hint} Nothing was sent.` });
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}
