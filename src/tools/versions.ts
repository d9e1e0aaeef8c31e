import type { GatedCluster } from '../access/gate.ts';
import type { HttpMethod } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';

/** What came to Proxmox VE later than the oldest version that is served. */
interface Newer {
  /** In the plural: `fabrics`. */
  what: string;
  /** `what` is in the singular: `A webhook`. */
  isOne?: boolean;
  /** The first version that has it: `9.0`. */
  since: string;
  /** Where it is a parameter of the method and not the method itself. */
  parameter?: string;
}

/**
 * Refuses what the cluster's version does not have, before anything is sent.
 *
 * @throws CallError INVALID_ARGUMENTS that names both versions
 */
export async function requireVersion(
  cluster: GatedCluster,
  method: HttpMethod,
  template: string,
  { what, isOne = false, since, parameter }: Newer,
): Promise<void> {
  const catalogue = await cluster.catalogue();
  const found = catalogue.get(method, template);
  const has = found !== undefined && (parameter === undefined || Object.hasOwn(found.parameters, parameter));
  // The built-in description is older than many hosts: what it lacks is for Proxmox itself to judge.
  if (has || catalogue.source === 'built-in') return;
  const [need, advice] = isOne
    ? ['needs', 'Leave it out, or upgrade the cluster.']
    : ['need', 'Upgrade the cluster to use them.'];
  throw new CallError(
    'INVALID_ARGUMENTS',
    `${what} ${need} Proxmox VE ${since}; ${cluster.name} has ${catalogue.version ?? 'an older version'}.`,
    { cluster: cluster.name, hint: `${advice} Nothing was sent.` },
  );
}
