import { failure } from '../errors.ts';
import type { ClusterState } from './cluster-state.ts';
import { type Guest, label } from './guest.ts';
import { haResource, sidOf } from './ha.ts';

/** Refuses to destroy what HA or replication still count on, unless they are told to forget it. */
export function refuseCountedOn(state: ClusterState, guest: Guest, purge: boolean): void {
  if (purge) return;
  const name = `${label(guest)} ${guest.vmid}`;
  if (haResource(state, guest)) {
    throw failure(`unable to remove ${name} - used in HA resources and purge parameter not set.`);
  }
  const job = Object.values(state.datacenter.replication).find((known) => known.guest === guest.vmid);
  if (job)
    throw failure(
      `There is a replication job '${job.id}' for guest '${guest.vmid}', please remove that first.`,
    );
}

/** What was granted on a guest and its firewall go with it, HA and replication too. */
export function forgetGuest({ access, datacenter }: ClusterState, guest: Guest): void {
  const path = `/vms/${guest.vmid}`;
  access.acl.splice(0, access.acl.length, ...access.acl.filter((entry) => entry.path !== path));
  delete datacenter.firewalls.scopes[`guest/${guest.vmid}`];
  delete datacenter.ha.resources[sidOf(guest)];
  for (const [id, job] of Object.entries(datacenter.replication)) {
    if (job.guest === guest.vmid) delete datacenter.replication[id];
  }
}
