import type { ProxmoxReply } from '../proxmox/call.ts';
import { exitStatusOf } from '../proxmox/task.ts';
import type { Approved } from './approvals/approvals.ts';
import { startedJobs } from './jobs/job.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Judging } from './judging.ts';
import type { CallRecord, RecordedCall } from './record.ts';
import { ENDPOINT_PARAMETER } from './remote-endpoint.ts';
import type { Step } from './steps.ts';
import { uploadOf } from './upload.ts';

const TASK_STATUS = /^\/nodes\/[^/]+\/tasks\/([^/]+)\/status$/;

/** Sends steps: each is recorded before it leaves, and once its answer is there. */
export class Sending {
  readonly #jobs: Jobs;
  readonly #record: CallRecord;
  readonly #judging: Judging;

  constructor(jobs: Jobs, record: CallRecord, judging: Judging) {
    this.#jobs = jobs;
    this.#record = record;
    this.#judging = judging;
  }

  /** @throws CallError INTERNAL where it can't be recorded, and nothing was sent; what the cluster answered */
  async send(step: Step, approved: Approved | undefined): Promise<ProxmoxReply> {
    const { cluster, origin, request, recorded } = step;
    const { method } = request;
    const log = this.#judging.logOf(origin);
    const told =
      approved === undefined
        ? recorded
        : { ...recorded, approval: `plan ${approved.number} by ${approved.by}` };
    const entry = await this.#record.begin(told, log);
    try {
      const reply = await leave(step);
      for (const job of startedJobs(recorded, origin.principal, entry, reply.data)) {
        await this.#jobs.started(job);
      }
      await entry.end({ endpoint: reply.endpoint, data: reply.data });
      const ended = endedTask(recorded, reply);
      if (ended !== undefined) await this.#jobs.ended(ended.job, ended.exitStatus);
      return reply;
    } catch (error) {
      await entry.end({ failure: error, isCancelled: origin.signal.aborted });
      throw error;
    } finally {
      // Also where it failed: a write that timed out may have been carried out.
      if (method !== 'GET') await cluster.changed();
    }
  }
}

/** Who asks how a task of this service is may see its end before the service does. */
function endedTask({ cluster, method, path }: RecordedCall, { data }: ProxmoxReply) {
  const upid = method === 'GET' ? TASK_STATUS.exec(path)?.[1] : undefined;
  const exitStatus = upid === undefined ? undefined : exitStatusOf(data);
  return upid === undefined || exitStatus === undefined ? undefined : { job: { cluster, upid }, exitStatus };
}

/** Here alone the secret of an endpoint is added. */
function leave({ cluster, origin, request, parameters, endpoint, template }: Step): Promise<ProxmoxReply> {
  const { method, path, deadlineMs, file } = request;
  const signal = request.signal ?? origin.signal;
  const limits = { signal, template, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
  if (file !== undefined) return cluster.upload({ ...uploadOf(path, parameters, file), ...limits });
  if (endpoint === undefined) return cluster.send({ method, path, parameters, ...limits });
  const whole = { ...parameters, [ENDPOINT_PARAMETER]: endpoint.whole.reveal() };
  return cluster.send({ method, path, parameters: whole, secrets: [endpoint.secret.reveal()], ...limits });
}
