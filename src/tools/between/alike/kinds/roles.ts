import { apiPath } from '../../../../proxmox/api-path.ts';
import { readRoles } from '../../../access/access-lists.ts';
import { someOf } from '../../../fleet.ts';
import { type DefinitionKind, write } from '../definition.ts';
import { rightsFor } from '../rights.ts';

/** Roles that people made; those of Proxmox differ with its version alone. */
export const roleKind: DefinitionKind<readonly string[]> = {
  word: 'role',
  needs: [],
  read: async (cluster) =>
    (await readRoles(cluster))
      .filter(({ builtIn }) => !builtIn)
      .map(({ role, privileges }) => ({
        name: role,
        same: privileges.join(),
        fields: { privileges },
        body: privileges,
      })),
  async problems({ name, body }, site) {
    const here = await site.once('roles', () => readRoles(site.cluster));
    // Administrator has every privilege that the version knows.
    const known = new Set(here.flatMap(({ privileges }) => privileges));
    const unknown = body.filter((privilege) => !known.has(privilege));
    return [
      ...(here.some(({ role, builtIn }) => role === name && builtIn)
        ? ['Proxmox itself has a role of this name there.']
        : []),
      ...(unknown.length > 0
        ? [`${site.cluster.name} knows no privilege ${someOf(unknown)}: its version is another one.`]
        : []),
    ];
  },
  make: ({ name, body }) => [write('POST', apiPath`/access/roles`, { roleid: name, privs: body.join(',') })],
  change: ({ body }, { name }) => [write('PUT', apiPath`/access/roles/${name}`, { privs: body.join(',') })],
  remove: async ({ name }, site) =>
    (await rightsFor(site, 'the role', ({ role }) => role === name)) ?? [
      write('DELETE', apiPath`/access/roles/${name}`),
    ],
};
