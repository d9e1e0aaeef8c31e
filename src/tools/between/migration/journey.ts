import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../../access/gate.ts';
import type { RunData } from '../../../access/runs/run.ts';
import type { GuestRow } from '../../../clusters/inventory.ts';
import { CallError } from '../../../proxmox/errors.ts';
import type { GuestTarget } from '../../guest-target.ts';
import { compact } from '../../results.ts';

const names = z.record(z.string(), z.string());

/** What is remembered of a move, so that it can be taken up, verified and cleaned up by a later call. No secrets. */
const journey = z.object({
  type: z.enum(['qemu', 'lxc']),
  node: z.string(),
  name: z.string().optional(),
  to: z.string(),
  target_node: z.string(),
  target_vmid: z.int(),
  storage_map: names,
  bridge_map: names,
  /** As they are sent. */
  target_storage: z.string(),
  target_bridge: z.string(),
  runs: z.boolean(),
  bwlimit: z.int().optional(),
  expect: z.object({
    agent: z.boolean(),
    /** Of the configuration: what has to be the same. */
    options: z.record(z.string(), z.string()),
    disks: z.array(z.string()),
    /** By key: the MAC. */
    nics: names,
  }),
});

export type Journey = z.output<typeof journey>;

/** One move of a guest is open at a time. */
export function runKey({
  cluster,
  guest,
}: {
  cluster: Pick<GatedCluster, 'name'>;
  guest: Pick<GuestRow, 'vmid'>;
}): string {
  return `migrate ${cluster.name}/${guest.vmid}`;
}

/** @throws CallError INTERNAL for what another version of this service has written */
export function journeyOf(input: RunData): Journey {
  const read = journey.safeParse(input);
  if (read.success) return read.data;
  throw new CallError('INTERNAL', 'What was remembered of this move can’t be read.', {
    hint: 'Look at both clusters (get_guest, list_tasks); nothing was sent.',
    cause: read.error,
  });
}

/** The one write of a move. `delete` is never sent: the source goes by a step of its own, once the copy was verified. */
export function moveRequest(source: GuestTarget, to: GatedCluster, journey: Journey): GateRequest {
  const { type, runs, bwlimit, name } = journey;
  return {
    method: 'POST',
    path: source.at('remote_migrate'),
    data: compact({
      'target-vmid': journey.target_vmid,
      'target-storage': journey.target_storage,
      'target-bridge': journey.target_bridge,
      online: runs && type === 'qemu' ? true : undefined,
      restart: runs && type === 'lxc' ? true : undefined,
      bwlimit,
    }),
    expectName: name,
    remote: { to, node: journey.target_node },
  };
}
