type Schema = Record<string, unknown>;

/** What the values in paths are; the package's types say no more than `string` and `number`. */
export const PATH_TYPES: Readonly<Record<string, Schema>> = {
  node: { type: 'string', format: 'pve-node' },
  vmid: { type: 'integer', format: 'pve-vmid', minimum: 100, maximum: 999999999 },
  storage: { type: 'string', format: 'pve-storage-id' },
  snapname: { type: 'string', format: 'pve-configid', maxLength: 40 },
};

/**
 * What parameters mean, by name, where the package's types describe none: those in paths, and those whose
 * type several parameters share.
 */
export const MEANINGS: Readonly<Record<string, string>> = {
  cidr: 'The address or network, as in the set.',
  comment: 'A comment for people.',
  delete: 'Settings to reset to their defaults, by name.',
  description: 'A description for people.',
  digest: 'Refuse the change if the configuration was changed since it had this digest.',
  disable: 'Keep the entry without using it.',
  enable: 'Whether the entry is in force.',
  force: 'Do it in spite of what would stop it.',
  full: 'Return more of each entry, or copy all of it.',
  groupid: 'The group.',
  iface: 'The network interface of the node.',
  limit: 'At most this many entries.',
  name: 'The name.',
  newid: 'The VMID of the new guest.',
  node: 'The node of the cluster.',
  online: 'Move the guest while it runs.',
  password: 'The password.',
  pool: 'The pool the guest is to be in.',
  poolid: 'The pool.',
  pos: 'The position of the rule, from 0.',
  protected: 'Keep the backup from being removed.',
  purge: 'Remove it from jobs and HA too.',
  realm: 'The authentication realm.',
  roleid: 'The role.',
  sid: 'The HA resource, such as vm:100 or ct:101.',
  skiplock: 'Ignore locks; root@pam only.',
  snapname: 'The snapshot.',
  start: 'Start it afterwards, or begin at this entry.',
  storage: 'The storage.',
  target: 'The node to go to.',
  timeout: 'How long to wait, in seconds.',
  tokenid: 'The name of the API token, without the user.',
  type: 'Only this kind, or the kind of the new entry.',
  upid: 'The task, as UPID.',
  userid: 'The user, as name@realm.',
  vmid: 'The VMID of the guest.',
  vmstate: "Keep the guest's memory too.",
  volume: 'The volume, as STORAGE:NAME.',
};
