import { CallError } from '../../../proxmox/errors.ts';
import type { Replica } from './job.ts';
import { configAt, isFree, isReplica, whyNotOurs } from './replicas.ts';
import { deleteRequest } from './requests.ts';
import type { Work } from './work.ts';

/**
 * A reserved VMID that no guest has.
 *
 * @throws CallError CONFLICT that says of each what it holds
 */
export async function freePlace(work: Work): Promise<number> {
  const { job, target, notes } = work;
  const held = work.replicas();
  const taken: string[] = [];
  for (const vmid of job.vmids) {
    const replica = held.find((one) => one.vmid === vmid);
    if (replica !== undefined) {
      taken.push(`${vmid} holds the replica of ${new Date(replica.backupAt).toISOString()}`);
    } else if (await isFree(target, vmid)) return vmid;
    else taken.push(`${vmid} is a guest that this replication did not make, or did not see whole`);
  }
  throw new CallError(
    'CONFLICT',
    [`There is no place for a replica: ${taken.join('; ')}.`, ...notes].join(' '),
    {
      cluster: target.name,
      hint: 'Nothing was sent. Move or delete what stands there (delete_guest), or delete this replication and save another.',
      retryable: false,
    },
  );
}

/**
 * Forgets replicas that somebody deleted, and deletes those beyond what is kept, the oldest first. What is not the
 * replica as it was made stays, with a note.
 *
 * @throws CallError where the target can't be asked; StillRunning
 */
export async function removeOlder(work: Work): Promise<void> {
  const { job, run } = work;
  const present: Replica[] = [];
  for (const replica of work.replicas()) {
    // Of one whose deletion was sent nothing is to be seen any more, perhaps.
    const isGoing = run.step(stepOf(replica))?.state === 'begun';
    if (isGoing || (await isThere(work, replica))) present.push(replica);
  }
  await work.remember(present);
  const older = present.slice(0, Math.max(0, present.length - job.keep));
  for (const replica of older) await remove(work, replica);
}

async function isThere({ job, target, notes }: Work, { vmid }: Replica): Promise<boolean> {
  const config = await configAt(target, job, vmid);
  if (config !== undefined && isReplica(config, job)) return true;
  notes.push(
    `The replica ${vmid} is gone: somebody deleted it${config === undefined ? '' : ', or took it over'}.`,
  );
  return false;
}

async function remove(work: Work, replica: Replica): Promise<void> {
  const { job, target, run, notes } = work;
  const { vmid } = replica;
  const name = stepOf(replica);
  try {
    await work.write(`the deletion of the older replica ${vmid}`, {
      name,
      cluster: target,
      request: deleteRequest(job, vmid),
      task: { node: job.node, types: [job.type === 'qemu' ? 'qmdestroy' : 'vzdestroy'], id: String(vmid) },
      isDone: async () => (await configAt(target, job, vmid)) === undefined,
      // However long ago a run was cut off that had begun it: somebody may have taken it over since.
      beforeSending: () => requireOurs(work, replica),
    });
  } catch (thrown) {
    if (thrown instanceof TakenOver) {
      if (run.step(name)?.state === 'begun') await run.failed(name, thrown.message);
      notes.push(`The older replica stays: ${thrown.message}.`);
      return;
    }
    // The new replica is there: what a person has to allow first is made up for by the next run.
    if (!(thrown instanceof CallError) || thrown.code !== 'APPROVAL_REQUIRED') throw thrown;
    notes.push(
      `The older replica ${vmid} stays until the next run by itself, or until its deletion is approved.`,
    );
    return;
  }
  await work.remember(work.replicas().filter((one) => one.vmid !== vmid));
}

class TakenOver extends Error {}

/** @throws TakenOver where it is not the replica as it was made; CallError where the target can't be asked */
async function requireOurs({ job, target }: Work, replica: Replica): Promise<void> {
  const config = await configAt(target, job, replica.vmid);
  const why = config && (await whyNotOurs(target, job, replica, config));
  if (why !== undefined) throw new TakenOver(why);
}

function stepOf({ vmid }: Replica): string {
  return `delete ${vmid}`;
}
