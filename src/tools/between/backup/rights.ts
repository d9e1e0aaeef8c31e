import type { GatedCluster } from '../../../access/gate.ts';
import { type EffectivePermissions, holds } from '../../../catalogue/permissions.ts';
import { fittingRole } from '../../../proxmox/privileges.ts';
import { blocks, type Finding, warns } from '../finding.ts';

/** A privilege, and where it has to be held. */
export type Need = readonly [privilege: string, path: string];

/**
 * What a cluster's token lacks, with the line that grants it.
 *
 * @param permissions undefined where they could not be asked
 */
export function lacking(
  { name }: Pick<GatedCluster, 'name'>,
  permissions: EffectivePermissions | undefined,
  needs: readonly Need[],
): Finding[] {
  if (permissions === undefined) {
    return [
      warns(`What the token of ${name} may do could not be asked.`, 'Proxmox refuses what it may not.'),
    ];
  }
  return needs
    .filter(([privilege, path]) => !holds({ path, privileges: [privilege], any: false }, permissions))
    .map(([privilege, path]) =>
      blocks(
        `The token of ${name} lacks ${privilege} on ${path}.`,
        `On a node of it: pveum acl modify ${path} --tokens USER@REALM!NAME --roles ${fittingRole(privilege)} (with --users USER@REALM as well where the user lacks it).`,
      ),
    );
}
