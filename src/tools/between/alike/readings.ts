import type { GatedCluster } from '../../../access/gate.ts';
import { toCallError } from '../../../proxmox/errors.ts';
import { holdsEverywhere } from '../../inventory/compare-sources.ts';
import { type Definition, type DefinitionKind, KINDS, type Kind } from './definition.ts';
import { backupJobKind, type JobOptions } from './kinds/backup-jobs.ts';
import { type Group, groupKind } from './kinds/firewall-groups.ts';
import { type Alias, aliasKind, type IpSet, ipsetKind } from './kinds/firewall-names.ts';
import { poolKind } from './kinds/pools.ts';
import { roleKind } from './kinds/roles.ts';

/** What is written of each kind. */
interface Bodies {
  pools: string;
  roles: readonly string[];
  aliases: Alias;
  ipsets: IpSet;
  groups: Group;
  backup_jobs: JobOptions;
}

export const DEFINITION_KINDS: { readonly [K in Kind]: DefinitionKind<Bodies[K]> } = {
  pools: poolKind,
  roles: roleKind,
  aliases: aliasKind,
  ipsets: ipsetKind,
  groups: groupKind,
  backup_jobs: backupJobKind,
};

type Definitions = { [K in Kind]?: readonly Definition<Bodies[K]>[] };

/** What one cluster has; a kind that could not be read is not among the definitions. */
export interface Readings {
  definitions: Definitions;
  unread: { kind: Kind; problem: string }[];
  /** Of these the token may see some alone. */
  partial: ReadonlySet<Kind>;
}

/**
 * Reads the definitions of a cluster. A kind that can't be read costs itself alone.
 *
 * @throws CallError where the cluster does not answer; the reason of the call's signal
 */
export async function readDefinitions(
  cluster: GatedCluster,
  kinds: readonly Kind[],
  signal: AbortSignal,
): Promise<Readings> {
  const definitions: Definitions = {};
  const unread: Readings['unread'] = [];
  const read = async <K extends Kind>(kind: K): Promise<void> => {
    try {
      Object.assign(definitions, { [kind]: await DEFINITION_KINDS[kind].read(cluster) });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toCallError(thrown);
      if (error.code === 'CLUSTER_UNREACHABLE') throw error;
      unread.push({ kind, problem: `${error.code}: ${error.message}` });
    }
  };
  const [hidesPools] = await Promise.all([
    kinds.includes('pools') ? seesSomePools(cluster) : false,
    ...kinds.map((kind) => read(kind)),
  ]);
  if (hidesPools && definitions.pools !== undefined) {
    const problem = 'The token may not see all pools: it needs Pool.Audit on /pool.';
    unread.push({ kind: 'pools', problem });
  }
  unread.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind));
  return { definitions, unread, partial: new Set(hidesPools ? ['pools' as const] : []) };
}

/** Whether some may be missing in the list, which Proxmox shortens without a word. */
async function seesSomePools(cluster: GatedCluster): Promise<boolean> {
  const permissions = await cluster.permissions().catch(() => undefined);
  return (
    permissions === undefined || !holdsEverywhere(permissions, { path: '/pool', privileges: ['Pool.Audit'] })
  );
}
