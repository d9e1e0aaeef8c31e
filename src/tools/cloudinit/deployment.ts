import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import type { ToolContext } from '../define.ts';
import { readProperties } from '../property-string.ts';
import { rowsOf, textOf } from '../results.ts';
import { inWords, sizeOf } from '../size.ts';
import type { TaskShown } from '../task.ts';
import type { Image } from './image.ts';
import { type Step, Steps, Unfinished } from './steps.ts';

const DISK = 'scsi0';
/** Between two questions to the agent of a VM that boots. */
const PAUSE_MS = 2000;
const QUESTION_MS = 10_000;
const MOST_ADDRESSES = 20;

export const DEPLOY_CALLS = [
  ['PUT', '/nodes/{node}/qemu/{vmid}/resize', 'disk', 'size'],
  ['POST', '/nodes/{node}/qemu/{vmid}/status/start'],
  ['GET', '/nodes/{node}/qemu/{vmid}/config'],
  ['GET', '/nodes/{node}/qemu/{vmid}/status/current'],
  ['GET', '/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces'],
] as const;

/** A VM that is about to be made, with every check behind it. */
export interface Deployment {
  guest: { vmid: number; name: string; type: 'qemu'; node: string };
  image: Image;
  create: GateRequest;
  /** Undefined: the disk stays as large as the image. */
  diskBytes: number | undefined;
}

interface Outcome {
  status: 'ready' | 'no_agent' | 'unfinished';
  addresses?: string[];
  done: string[];
  left?: string[];
  task?: TaskShown;
  note?: string;
}

interface Steplist {
  download: Step | undefined;
  create: Step;
  resize: Step | undefined;
  start: Step;
}

/**
 * Makes the VM: every write is approved at once before the first, and what fails says what is left behind. Nothing is
 * deleted, and nothing is sent twice.
 *
 * @throws CallError with what was done, what is left behind, and how to clean it up
 */
export async function deploy(
  cluster: GatedCluster,
  deployment: Deployment,
  waitSeconds: number,
  context: ToolContext,
): Promise<Outcome> {
  const { image } = deployment;
  const list = stepsOf(deployment);
  const writes = [list.download, list.create, list.resize, list.start].filter((step) => step !== undefined);
  await cluster.approve([
    ...(image.fetch === undefined ? [] : [image.fetch.metadata]),
    ...writes.map(({ request }) => request),
  ]);
  const leftBehind = () => remains(cluster, deployment);
  const steps = new Steps({ cluster, context, waitSeconds, count: writes.length + 1, leftBehind });
  try {
    await makeAll(cluster, deployment, list, steps);
  } catch (thrown) {
    if (thrown instanceof Unfinished) return unfinished(thrown, steps, writes);
    throw thrown;
  }
  steps.say('waiting for the guest agent');
  return agentAnswer(cluster, deployment, steps, context);
}

function stepsOf({ guest, image, create, diskBytes }: Deployment): Steplist {
  const { vmid, node } = guest;
  const at = apiPath`/nodes/${node}/qemu/${vmid}/status/start`;
  return {
    download: image.fetch && {
      doing: 'downloading the image',
      done: `the image was downloaded to ${quoted(image.volid)}`,
      request: image.fetch.download,
    },
    create: {
      doing: 'creating the VM and copying the image',
      done: `VM ${vmid} was created on ${quoted(node)}`,
      request: create,
    },
    resize:
      diskBytes === undefined
        ? undefined
        : {
            doing: 'growing the disk',
            done: `its disk was grown to ${inWords(diskBytes)}`,
            request: {
              method: 'PUT',
              path: apiPath`/nodes/${node}/qemu/${vmid}/resize`,
              data: { disk: DISK, size: `${Math.ceil(diskBytes / 1024 ** 2)}M` },
            },
          },
    start: { doing: 'starting the VM', done: 'it was started', request: { method: 'POST', path: at } },
  };
}

async function makeAll(
  cluster: GatedCluster,
  { guest, image, diskBytes }: Deployment,
  list: Steplist,
  steps: Steps,
) {
  const { fetch } = image;
  if (list.download !== undefined && fetch !== undefined) {
    await steps.check('asking what is behind the URL', () => fetch.check());
    await steps.run(list.download);
  }
  await steps.run(list.create);
  if (list.resize !== undefined && diskBytes !== undefined) {
    const now = await steps.check('reading the size of the disk', () => diskSize(cluster, guest));
    if (now === undefined || now < diskBytes) await steps.run(list.resize);
    else
      steps.done.push(`its disk stays at the ${inWords(now)} of the image, which is more than was asked for`);
  }
  await steps.run(list.start);
}

/** How large the image is, nobody knows before it is unpacked. */
async function diskSize(
  cluster: GatedCluster,
  { node, vmid }: Deployment['guest'],
): Promise<number | undefined> {
  const { data } = await cluster.request({
    method: 'GET',
    path: apiPath`/nodes/${node}/qemu/${vmid}/config`,
  });
  const value = isObject(data) ? textOf(data[DISK]) : undefined;
  const size = value === undefined ? undefined : readProperties(value).options.get('size');
  return size === undefined ? undefined : sizeOf(size);
}

function unfinished({ doing, task }: Unfinished, { done }: Steps, writes: readonly Step[]): Outcome {
  const at = writes.findIndex((step) => step.doing === doing);
  const [current, ...rest] = writes.slice(at).map((step) => step.doing);
  const isDownload = doing === 'downloading the image';
  const next = isDownload
    ? 'Then repeat this call without checksum: it takes the image that is there.'
    : 'Then do what is left with resize_disk and power_guest; a repetition of this call would be refused.';
  return {
    status: 'unfinished',
    done,
    left: [`${current} (runs)`, ...rest, 'waiting for the guest agent'],
    task,
    note: `The time was over while ${doing}: wait_task follows ${task.upid}. ${next}`,
  };
}

async function agentAnswer(
  cluster: GatedCluster,
  { guest }: Deployment,
  steps: Steps,
  context: ToolContext,
): Promise<Outcome> {
  const { done } = steps;
  const path = apiPath`/nodes/${guest.node}/qemu/${guest.vmid}/agent/network-get-interfaces`;
  let problem = '';
  let answered = false;
  for (;;) {
    try {
      const { data } = await cluster.request({ method: 'GET', path, deadlineMs: QUESTION_MS });
      answered = true;
      const addresses = addressesIn(data);
      if (addresses.length > 0) return { status: 'ready', addresses, done };
    } catch (thrown) {
      context.signal.throwIfAborted();
      // It is up when it is up; what is no matter of time will not change.
      const { code, message } = toCallError(thrown);
      if (code === 'PERMISSION_DENIED' || code === 'POLICY_DENIED') return noAgent(done, message);
      problem = message;
    }
    if (steps.secondsLeft * 1000 < PAUSE_MS) break;
    await context.sleep(PAUSE_MS);
  }
  if (answered) {
    const note = 'Its agent answers, and it has no address yet: get_guest shows one as soon as there is.';
    return { status: 'ready', addresses: [], done, note };
  }
  return noAgent(done, problem);
}

function noAgent(done: string[], problem: string): Outcome {
  return {
    status: 'no_agent',
    done,
    note: `The VM runs, and its agent was not reached: ${problem} get_guest asks again. Many cloud images (Debian, Ubuntu) come without qemu-guest-agent: install it in the guest, or by a vendor snippet in cicustom.`,
  };
}

/** Those that others can reach it by: neither loopback nor link-local. */
function addressesIn(data: unknown): string[] {
  const rows = isObject(data) ? rowsOf(data.result) : rowsOf(data);
  return rows
    .flatMap((row) => rowsOf(row['ip-addresses']))
    .flatMap((row) => textOf(row['ip-address']) ?? [])
    .filter((ip) => /^[0-9a-f.:]+$/i.test(ip) && !/^(?:127\.|169\.254\.|::1$|fe80:)/i.test(ip))
    .slice(0, MOST_ADDRESSES);
}

/** What a deployment that failed leaves, as it is now. */
async function remains(cluster: GatedCluster, { guest, image }: Deployment): Promise<string> {
  const { vmid, node, name } = guest;
  const left: string[] = [];
  const path = apiPath`/nodes/${node}/qemu/${vmid}/status/current`;
  try {
    const { data } = await cluster.request({ method: 'GET', path, deadlineMs: QUESTION_MS });
    const state = isObject(data) ? (textOf(data.status) ?? 'there') : 'there';
    left.push(`VM ${vmid} (${quoted(name)}) on ${quoted(node)}, ${quoted(state)} (delete_guest removes it)`);
  } catch (thrown) {
    const { code } = toCallError(thrown);
    if (!isGone(thrown))
      left.push(`perhaps VM ${vmid} on ${quoted(node)}, which could not be asked (${code})`);
  }
  const isDownloaded = image.fetch !== undefined && (await isThere(cluster, node, image.volid));
  if (isDownloaded)
    left.push(
      `the image ${quoted(image.volid)}, which a repetition without checksum takes (delete_volume removes it)`,
    );
  return left.length === 0
    ? 'Nothing is left behind.'
    : `Left behind: ${left.join('; ')}. Nothing was deleted.`;
}

function isGone(thrown: unknown): boolean {
  return thrown instanceof CallError && thrown.code === 'NOT_FOUND';
}

async function isThere(cluster: GatedCluster, node: string, volid: string): Promise<boolean> {
  const [storage = ''] = volid.split(':');
  try {
    const path = apiPath`/nodes/${node}/storage/${storage}/content`;
    const { data } = await cluster.request({ method: 'GET', path, deadlineMs: QUESTION_MS });
    return rowsOf(data).some((row) => row.volid === volid);
  } catch {
    return false;
  }
}
