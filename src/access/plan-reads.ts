import { createHash } from 'node:crypto';
import type { Cluster } from '../clusters/cluster.ts';
import type { GuestRow } from '../clusters/inventory.ts';
import { type ApiPath, apiPath } from '../proxmox/api-path.ts';
import type { Parameters } from '../proxmox/call.ts';
import type { Ending } from '../proxmox/ending.ts';
import { toCallError } from '../proxmox/errors.ts';
import {
  type DescribedCall,
  type DescribeOptions,
  describePlan,
  type PlanReader,
} from './approvals/describe.ts';
import type { PlanFacts } from './approvals/plan.ts';
import type { TouchedGuests } from './policy/guests.ts';
import type { Tenant } from './policy/policy.ts';
import { tenantAnswer, visibleVmids } from './policy/tenant-view.ts';

/** Whole configurations that a digest is made of; of further guests it has what the list of guests says. */
const MOST_DIGESTS = 20;
const READ_MS = 10_000;
/** For the approver: a plan is shown to the tenant too, and must not tell of others. */
const OWN_ALONE =
  'Who asks is bound to their own guests: whether those of others depend on it was not looked at.';

/** What a plan for calls says; that for a tenant is made of what the tenant may see. */
export async function describeFor(
  tenant: Tenant | undefined,
  cluster: Cluster,
  calls: readonly DescribedCall[],
  options: DescribeOptions,
): Promise<PlanFacts> {
  const read = readerOf(cluster);
  if (tenant === undefined) return describePlan(calls, read, options);
  const { guests } = await cluster.inventory({ signal: options.signal });
  const visible = visibleVmids(guests, tenant);
  const readOwn: PlanReader = async (path, ...rest) => {
    const asked = { method: 'GET', path: path.toString(), tenant, visible } as const;
    return tenantAnswer(asked, { data: await read(path, ...rest) }).data;
  };
  const facts = await describePlan(calls, readOwn, options);
  return { ...facts, warnings: [...facts.warnings, OWN_ALONE] };
}

/**
 * What the guests of a call are now, so that a plan does not outlive what it was made for.
 *
 * @param guests those of the cluster now
 * @returns undefined for a call that names none
 * @throws CallError where that can't be read: no approval holds for a guest that may have become another one
 */
export async function guestDigestOf(
  named: TouchedGuests['named'],
  guests: readonly GuestRow[],
  cluster: Cluster,
  signal: Ending,
): Promise<string | undefined> {
  if (named.length === 0) return undefined;
  const read = readerOf(cluster);
  const configs = await Promise.all(
    named.map(async ({ vmid }, index) => {
      const row = guests.find((guest) => guest.vmid === vmid);
      if (row === undefined) return [vmid];
      if (index >= MOST_DIGESTS) return [vmid, row.node, row.type, row.name, row.tags, row.pool];
      const path = apiPath`/nodes/${row.node}/${row.type}/${vmid}/config`;
      return [vmid, row.node, await read(path, {}, signal).catch(absent)];
    }),
  );
  return createHash('sha256').update(JSON.stringify(configs)).digest('hex');
}

/** The service's own reads for a plan: they go past the approval that they are made for. */
function readerOf(cluster: Cluster): PlanReader {
  return async (path: ApiPath, parameters: Parameters, signal: Ending) =>
    (await cluster.send({ method: 'GET', path, parameters, signal, deadlineMs: READ_MS })).data;
}

function absent(error: unknown): undefined {
  if (toCallError(error).code !== 'NOT_FOUND') throw error;
}
