import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../../access/gate.ts';
import type { Run } from '../../../access/runs/runs.ts';
import { isObject } from '../../../catalogue/json.ts';
import { ApiPath } from '../../../proxmox/api-path.ts';
import { CallError } from '../../../proxmox/errors.ts';
import { readProperties } from '../../property-string.ts';
import { textOf } from '../../results.ts';
import type { RunWrite } from '../../run-write.ts';
import type { RestorePlan } from '../backup/restore-request.ts';

const WRITES = ['shutdown', 'backup', 'delete', 'restore', 'settle', 'start'] as const;
export type WriteKind = (typeof WRITES)[number];

const plainWrite = z.object({
  kind: z.enum(WRITES),
  method: z.enum(['POST', 'PUT', 'DELETE']),
  segments: z.array(z.string()),
  data: z.record(z.string(), z.unknown()).optional(),
  expectName: z.string().optional(),
  /** Absent where Proxmox does it at once. */
  task: z.object({ node: z.string(), types: z.array(z.string()), id: z.string() }).optional(),
});

/** A write as a run remembers it, so that what a later call makes is what was approved. */
export type PlainWrite = z.output<typeof plainWrite>;

export const plainJob = z.object({
  /** Of the guest where it comes from. */
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  /** Where it goes. */
  targetVmid: z.int(),
  node: z.string(),
  storage: z.string().optional(),
  /** The backup, and when it was made, in epoch milliseconds. */
  volid: z.string().optional(),
  madeAt: z.number().optional(),
  upSeconds: z.number().optional(),
  writes: z.array(plainWrite),
});

/** What is done for one guest, in its order. */
export type Job = z.output<typeof plainJob>;

/** The name of a step in its run. */
export function stepOf({ vmid }: Pick<Job, 'vmid'>, kind: WriteKind): string {
  return `${vmid}.${kind}`;
}

export function isDone(run: Run, job: Pick<Job, 'vmid'>, kind: WriteKind): boolean {
  return run.step(stepOf(job, kind))?.state === 'done';
}

/** What of a job is to be written still, or may have been without an answer. */
export function leftOf(run: Run, job: Job): PlainWrite[] {
  return job.writes.filter(({ kind }) => !isDone(run, job, kind));
}

/** Of these what is to be sent, as far as anybody knows: that of a known task has left. */
export function unsentOf(run: Run, job: Job): PlainWrite[] {
  return leftOf(run, job).filter(({ kind }) => {
    const step = run.step(stepOf(job, kind));
    return step?.state !== 'begun' || step.upid === undefined;
  });
}

/** As the gate takes it. */
export function requestOf({ method, segments, data, expectName }: PlainWrite): GateRequest {
  return {
    method,
    path: ApiPath.ofSegments(segments),
    ...(data && { data }),
    ...(expectName && { expectName }),
  };
}

export function plainOf(kind: WriteKind, request: GateRequest, task?: PlainWrite['task']): PlainWrite {
  const { method, path, data, expectName } = request;
  // Undefined members say nothing, and a run remembers none.
  const given = data && Object.fromEntries(Object.entries(data).filter(([, value]) => value !== undefined));
  return plainWrite.parse({ kind, method, segments: [...path.segments], data: given, expectName, task });
}

/** The writes of a restore, with the traces of their tasks. */
export function restoreWrites({ guest, steps }: RestorePlan): PlainWrite[] {
  const { vmid, node, type } = guest;
  const traced = (vm: string, container: string) => ({
    node,
    types: [type === 'qemu' ? vm : container],
    id: String(vmid),
  });
  return [
    plainOf('restore', steps.restore, traced('qmrestore', 'vzrestore')),
    ...(steps.settle === undefined ? [] : [plainOf('settle', steps.settle)]),
    ...(steps.start === undefined ? [] : [plainOf('start', steps.start, traced('qmstart', 'vzstart'))]),
  ];
}

/** The same write as `runWrite` takes it. */
export function runWriteOf(cluster: GatedCluster, job: Job, write: PlainWrite): RunWrite {
  const { kind, task } = write;
  const request = requestOf(write);
  return {
    name: stepOf(job, kind),
    cluster,
    request,
    ...(task === undefined ? {} : { task }),
    ...(kind === 'settle' ? { isDone: () => isSettled(cluster, write) } : {}),
    ...(kind === 'delete' ? { isDone: () => isGone(cluster, write) } : {}),
  };
}

/** Whether the options are as they are to be. A NIC has got a MAC of its own since. */
async function isSettled(cluster: GatedCluster, { segments, data = {} }: PlainWrite): Promise<boolean> {
  const { data: now } = await cluster.request({ method: 'GET', path: ApiPath.ofSegments(segments) });
  if (!isObject(now)) return false;
  return Object.entries(data).every(([key, value]) => {
    if (!/^net\d+$/.test(key)) return textOf(now[key]) === String(value) || now[key] === value;
    const bridge = (text: unknown) => readProperties(textOf(text) ?? '').options.get('bridge');
    return bridge(now[key]) === bridge(value);
  });
}

async function isGone(cluster: GatedCluster, { segments }: PlainWrite): Promise<boolean> {
  const { guests } = await cluster.inventory({ fresh: true });
  return guests.length > 0 && !guests.some(({ vmid }) => String(vmid) === segments[3]);
}

/** @throws CallError INTERNAL for what another version of this service has written */
export function readInput<T>(schema: z.ZodType<T>, { id, input }: Pick<Run, 'id' | 'input'>): T {
  const read = schema.safeParse(input);
  if (read.success) return read.data;
  throw new CallError('INTERNAL', `What was remembered of run ${id} can't be read.`, {
    hint: 'Look at both clusters (get_guest, list_tasks); nothing was sent. anew: true begins another run.',
    cause: read.error,
  });
}
