/**
 * The smallest built-in role that holds a privilege (pve-access-control, `PVE::AccessControl` role definitions). The
 * first pattern that matches counts; what only Administrator holds is at the end.
 */
const ROLES: readonly (readonly [RegExp, string])[] = [
  [/^(?:VM|Datastore|Sys|Pool|SDN|Mapping)\.Audit$/, 'PVEAuditor'],
  [/^VM\.(?:PowerMgmt|Console|Backup|Config\.CDROM|Config\.Cloudinit)$/, 'PVEVMUser'],
  [/^VM\./, 'PVEVMAdmin'],
  [/^Datastore\.AllocateSpace$/, 'PVEDatastoreUser'],
  [/^Datastore\./, 'PVEDatastoreAdmin'],
  [/^Sys\.(?:Console|Syslog)$/, 'PVESysAdmin'],
  [/^Pool\./, 'PVEPoolAdmin'],
  [/^(?:User|Group)\./, 'PVEUserAdmin'],
  [/^SDN\.Use$/, 'PVESDNUser'],
  [/^SDN\./, 'PVESDNAdmin'],
  [/^Mapping\.Use$/, 'PVEMappingUser'],
  [/^Mapping\./, 'PVEMappingAdmin'],
];

/** The role to name in a `pveum acl modify` line for a privilege. */
export function fittingRole(privilege: string): string {
  return ROLES.find(([pattern]) => pattern.test(privilege))?.[1] ?? 'Administrator';
}
