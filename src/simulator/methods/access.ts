import { aclMethods } from './access/acl.ts';
import { groupMethods } from './access/groups.ts';
import { loginMethods } from './access/login.ts';
import { realmMethods } from './access/realms.ts';
import { roleMethods } from './access/roles.ts';
import { tokenMethods } from './access/tokens.ts';
import { userMethods } from './access/users.ts';
import type { Method } from './method.ts';

export const accessMethods: Method[] = [
  ...loginMethods,
  ...userMethods,
  ...tokenMethods,
  ...groupMethods,
  ...roleMethods,
  ...aclMethods,
  ...realmMethods,
];
