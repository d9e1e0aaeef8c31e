const named = (prefix: string, ...names: string[]): string[] => names.map((name) => `${prefix}.${name}`);

const CONFIG = ['CDROM', 'CPU', 'Cloudinit', 'Disk', 'HWType', 'Memory', 'Network', 'Options'];
const AGENT = ['Audit', 'FileRead', 'FileSystemMgmt', 'FileWrite', 'Unrestricted'];

const DATASTORE = named('Datastore', 'Allocate', 'AllocateSpace', 'AllocateTemplate', 'Audit');
const MAPPING = named('Mapping', 'Audit', 'Modify', 'Use');
const POOL = named('Pool', 'Allocate', 'Audit');
const SDN = named('SDN', 'Allocate', 'Audit', 'Use');
const GUEST = [
  ...named('VM', 'Allocate', 'Audit', 'Backup', 'Clone'),
  ...named('VM.Config', ...CONFIG),
  ...named('VM', 'Console'),
  ...named('VM.GuestAgent', ...AGENT),
  ...named('VM', 'Migrate', 'PowerMgmt', 'Replicate', 'Snapshot', 'Snapshot.Rollback'),
];

/** Every privilege of Proxmox VE 9. */
export const ALL_PRIVILEGES: string[] = [
  ...DATASTORE,
  'Group.Allocate',
  ...MAPPING,
  'Permissions.Modify',
  ...POOL,
  ...named('Realm', 'Allocate', 'AllocateUser'),
  ...SDN,
  ...named('Sys', 'AccessNetwork', 'Audit', 'Console', 'Incoming', 'Modify', 'PowerMgmt', 'Syslog'),
  'User.Modify',
  ...GUEST,
];

/** Left to administrators of everything: with one of these a user could make himself one. */
const ADMINISTRATORS_ALONE = [
  ...['Permissions.Modify', 'Realm.Allocate', 'Sys.Modify', 'Sys.PowerMgmt', 'Sys.AccessNetwork'],
  'Sys.Incoming',
];

/** The roles that every cluster has; they can be neither changed nor deleted. */
export const BUILT_IN_ROLES: Readonly<Record<string, readonly string[]>> = {
  Administrator: ALL_PRIVILEGES,
  NoAccess: [],
  PVEAdmin: ALL_PRIVILEGES.filter((privilege) => !ADMINISTRATORS_ALONE.includes(privilege)),
  PVEAuditor: ALL_PRIVILEGES.filter((privilege) => privilege.endsWith('.Audit')),
  PVEDatastoreAdmin: DATASTORE,
  PVEDatastoreUser: ['Datastore.AllocateSpace', 'Datastore.Audit'],
  PVEMappingAdmin: MAPPING,
  PVEMappingAuditor: ['Mapping.Audit'],
  PVEMappingUser: ['Mapping.Audit', 'Mapping.Use'],
  PVEPoolAdmin: POOL,
  PVEPoolUser: ['Pool.Audit'],
  PVESDNAdmin: SDN,
  PVESDNUser: ['SDN.Audit', 'SDN.Use'],
  PVESysAdmin: ['Sys.Audit', 'Sys.Console', 'Sys.Syslog'],
  PVETemplateUser: ['VM.Audit', 'VM.Clone'],
  PVEUserAdmin: ['Group.Allocate', 'Realm.AllocateUser', 'User.Modify'],
  PVEVMAdmin: GUEST,
  PVEVMUser: [
    ...['VM.Audit', 'VM.Backup', 'VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console'],
    ...['VM.GuestAgent.Audit', 'VM.PowerMgmt'],
  ],
};
