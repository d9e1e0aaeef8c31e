import { z } from 'zod';
import { isObject, isTrue, type Json } from '../../../catalogue/json.ts';
import { ApiPath, apiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { quoted } from '../../../proxmox/text.ts';
import { savedDisks } from '../../backups/guest-config.ts';
import { count, isoTime, textOf } from '../../results.ts';
import type { RunWrite } from '../../run-write.ts';
import { restorePlan } from '../backup/restore-request.ts';
import { readRestoreTarget } from '../backup/restore-target.ts';
import { blockers } from '../finding.ts';
import type { SavedPoint } from './backup-step.ts';
import { REPLICA_TAG, type Replica, replicaName } from './job.ts';
import { configAt, isFree, isNamed, tagsOf } from './replicas.ts';
import { replicaPath } from './requests.ts';
import type { Work } from './work.ts';

const values = z.record(z.string(), z.unknown());

/** What is restored where, as a run remembers it: once it was sent, nothing of it is worked out anew. */
const planShape = z.object({
  vmid: z.int(),
  volid: z.string(),
  backupAt: z.number(),
  disks: z.array(z.string()),
  restore: values,
  settle: values.optional(),
});

type Plan = z.output<typeof planShape>;

/** @returns undefined where the restore was not sent yet, or came to nothing */
export function sentPlan({ run }: Work): Plan | undefined {
  const state = run.step('restore')?.state;
  return state === 'begun' || state === 'done' ? planShape.parse(run.step('plan')?.data) : undefined;
}

/**
 * Works out what is restored, and takes the approval for it where the policy wants one.
 *
 * @param vmid one of those that are reserved, and free
 * @throws CallError CONFLICT with all that speaks against it
 */
export async function planRestore(work: Work, vmid: number, { point, saved }: SavedPoint): Promise<Plan> {
  const { job, target, context, run } = work;
  const { node, storage } = job;
  const place = await readRestoreTarget(target, context.signal, [node]);
  const name = replicaName(job);
  const { steps, findings } = restorePlan(place, { point, saved, vmid, node, storage, name, start: false });
  const against = blockers(findings);
  if (against.length > 0) {
    const all = against.map(({ what, do: advice }) => `${what} ${advice}`).join(' ');
    throw new CallError('CONFLICT', `${count(against.length, 'finding')} against the restore: ${all}`, {
      cluster: target.name,
      hint: 'The last good state is as it was; the backup is kept.',
      retryable: false,
    });
  }
  const description = `Replica of ${job.source}/${job.vmid} (${job.guest}), backup of ${isoTime(point.madeAt)}. Made by the replication ${work.schedule.name}, which deletes it once there is a newer one: take it over by changing anything here.`;
  const plan = {
    vmid,
    volid: point.volid,
    backupAt: point.madeAt,
    disks: savedDisks(saved, job.type).map(({ key }) => key),
    // With the restore and not after it: without them it would be a guest like any other for a moment.
    restore: {
      ...steps.restore.data,
      ...{ tags: REPLICA_TAG, description, onboot: false, protection: false },
    },
    ...(steps.settle === undefined ? {} : { settle: { ...steps.settle.data } }),
  };
  const { restore, settle } = writesOf(work, plan);
  await target.approve([restore.request, ...(settle === undefined ? [] : [settle.request])]);
  await run.done('plan', plan);
  return plan;
}

/** Restores what was planned. @throws CallError; StillRunning */
export async function restore(work: Work, plan: Plan): Promise<void> {
  const writes = writesOf(work, plan);
  await work.write(`the restore as ${plan.vmid}`, writes.restore);
  if (writes.settle !== undefined) await work.write('bridges and drives', writes.settle);
}

function writesOf(work: Work, plan: Plan): { restore: RunWrite; settle?: RunWrite } {
  const { job, target } = work;
  const { node, type } = job;
  const { vmid, settle } = plan;
  return {
    restore: {
      name: 'restore',
      cluster: target,
      request: { method: 'POST', path: apiPath`/nodes/${node}/${type}`, data: plan.restore },
      task: { node, types: [type === 'qemu' ? 'qmrestore' : 'vzrestore'], id: String(vmid) },
      isDone: async () => {
        const config = await configAt(target, job, vmid);
        return config !== undefined && isOfPlan(config, plan) && config.lock === undefined;
      },
      beforeSending: () => requireFree(work, vmid),
    },
    ...(settle === undefined
      ? {}
      : {
          settle: {
            name: 'settle',
            cluster: target,
            request: {
              method: 'PUT',
              path: ApiPath.ofSegments(['nodes', node, type, String(vmid), 'config']),
              data: settle,
              expectName: replicaName(job),
            },
          },
        }),
  };
}

/** Others, too, may call a guest so and give it the tag: the description says of which backup it is. */
function isOfPlan(config: Json, { restore: sent }: Plan): boolean {
  return textOf(config.description)?.trim() === textOf(sent.description)?.trim();
}

/** Since the place was chosen the backup was made, and a run may have been cut off. @throws CallError CONFLICT */
async function requireFree({ target, run }: Work, vmid: number): Promise<void> {
  if (await isFree(target, vmid)) return;
  const message = `${vmid} of ${target.name} is another guest by now.`;
  if (run.step('restore') !== undefined) await run.failed('restore', message);
  throw new CallError('CONFLICT', message, {
    cluster: target.name,
    hint: 'Nothing was sent. The next run takes another of its places.',
    retryable: true,
  });
}

/**
 * Looks whether the replica is there and whole, as far as Proxmox can tell without starting it.
 *
 * @throws CallError CONFLICT with all that is wrong; a run whose replica is gone is over
 */
export async function verified(work: Work, plan: Plan): Promise<Replica> {
  const { job, target, context, run } = work;
  const { vmid, volid, backupAt, disks } = plan;
  const config = await configAt(target, job, vmid);
  if (config === undefined) {
    await run.close('cancelled');
    throw unwhole(
      work,
      `The replica ${vmid} is gone again: somebody deleted it.`,
      'The next run begins anew.',
    );
  }
  const { data } = await target.request({
    method: 'GET',
    path: replicaPath(job, vmid, 'status', 'current'),
  });
  const status = isObject(data) ? data : {};
  const lost = disks.filter((key) => config[key] === undefined);
  const wrong = [
    ...(isNamed(config, job) ? [] : [`is not called ${quoted(replicaName(job))}`]),
    ...(tagsOf(config).includes(REPLICA_TAG) ? [] : [`does not bear the tag ${REPLICA_TAG}`]),
    ...(isOfPlan(config, plan) ? [] : ['is not the one that this run restored, as its notes say']),
    ...(lost.length === 0 ? [] : [`lacks ${lost.join(', ')}`]),
    ...(isTrue(config.onboot) ? ['starts with its node'] : []),
    ...(status.status === 'stopped' ? [] : ['does not stand still']),
    ...(textOf(status.lock) === undefined ? [] : [`is locked (${quoted(textOf(status.lock) ?? '')})`]),
  ];
  if (wrong.length > 0) {
    throw unwhole(
      work,
      `The replica ${vmid} ${wrong.join(', ')}.`,
      'It does not count as a good state. Look at it (get_guest) and delete it (delete_guest); the next run begins anew.',
    );
  }
  const digest = textOf(config.digest);
  const verifiedAt = context.now();
  return { vmid, volid, backupAt, verifiedAt, ...(digest === undefined ? {} : { digest }) };
}

function unwhole({ target }: Work, message: string, hint: string): CallError {
  return new CallError('CONFLICT', message, {
    cluster: target.name,
    hint: `The last good state is as it was. ${hint}`,
    retryable: false,
  });
}
