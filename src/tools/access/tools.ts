import type { Tool } from '../define.ts';
import { changePassword } from './change-password.ts';
import { createToken } from './create-token.ts';
import { deleteAccess } from './delete-access.ts';
import { getPermissions } from './get-permissions.ts';
import { listAccess } from './list-access.ts';
import { listAcl } from './list-acl.ts';
import { listTokens } from './list-tokens.ts';
import { listUsers } from './list-users.ts';
import { saveGroup } from './save-group.ts';
import { savePool } from './save-pool.ts';
import { saveRealm } from './save-realm.ts';
import { saveRole } from './save-role.ts';
import { saveUser } from './save-user.ts';
import { setAcl } from './set-acl.ts';
import { syncRealm } from './sync-realm.ts';
import { updateToken } from './update-token.ts';

/** The toolset `access`, in the order in which clients see it. */
export const ACCESS_TOOLS: readonly Tool[] = [
  listUsers,
  listAccess,
  listAcl,
  listTokens,
  getPermissions,
  saveUser,
  changePassword,
  saveGroup,
  saveRole,
  saveRealm,
  syncRealm,
  savePool,
  setAcl,
  createToken,
  updateToken,
  deleteAccess,
];
