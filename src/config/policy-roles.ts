import { POLICY_RISKS, type PolicyRole } from './policy-schema.ts';

/** What an operator works with: guests, their tasks, backups, HA and replication; neither permissions nor the estate. */
const OPERATED = [
  '/nodes/*/qemu/**',
  '/nodes/*/lxc/**',
  '/nodes/*/tasks/**',
  '/nodes/*/vzdump',
  '/nodes/*/storage/*/content/**',
  '/nodes/*/replication/**',
  '/cluster/backup/**',
  '/cluster/bulk-action/guest/**',
  '/cluster/ha/resources/**',
  '/cluster/replication/**',
];

/** The roles that every policy has. A file may extend them, and may not define them anew. */
export const READY_MADE_ROLES: Readonly<Record<string, PolicyRole>> = {
  viewer: {
    description: 'reads everything but secrets',
    grants: [{ allow: ['read'] }],
  },
  operator: {
    description: 'viewer, and changes guests: start, stop, configure, create, clone, snapshot, back up',
    extends: ['viewer'],
    grants: [{ allow: ['change'], paths: OPERATED }],
  },
  admin: {
    description: 'everything; what is grave still needs the approval that the policy says',
    grants: [{ allow: [...POLICY_RISKS] }],
  },
};
