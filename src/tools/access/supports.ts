import type { GatedCluster } from '../../access/gate.ts';
import { CallError } from '../../proxmox/errors.ts';
import type { ApiCall } from '../define.ts';

/**
 * Refuses what the cluster's version has no method or parameter for, before anything is sent.
 *
 * @param since the first version of Proxmox VE that has it, such as `9`
 * @throws CallError INVALID_ARGUMENTS
 */
export async function requireSupport(
  cluster: GatedCluster,
  [method, template, ...parameters]: ApiCall,
  { what, since }: { what: string; since: string },
): Promise<void> {
  const catalogue = await cluster.catalogue();
  // The built-in description is older than many hosts: what it lacks is for Proxmox itself to judge.
  if (catalogue.source === 'built-in') return;
  const known = catalogue.get(method, template)?.parameters;
  if (known !== undefined && parameters.every((name) => name in known)) return;
  const version = catalogue.version === undefined ? 'an older one' : catalogue.version;
  throw new CallError(
    'INVALID_ARGUMENTS',
    `${what} needs Proxmox VE ${since}; ${cluster.name} has ${version}.`,
    {
      cluster: cluster.name,
      hint: 'Leave it out, or upgrade the cluster. Nothing was sent.',
    },
  );
}
