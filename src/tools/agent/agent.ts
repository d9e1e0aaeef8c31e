import type { GateRequest } from '../../access/gate.ts';
import { isObject, isTrue } from '../../catalogue/json.ts';
import { CallError } from '../../proxmox/errors.ts';
import type { ToolContext } from '../define.ts';
import type { GuestWanted } from '../guest-errors.ts';
import { LIVE_CALLS, liveState } from '../guest-live.ts';
import { type GuestTarget, guestTarget } from '../guest-target.ts';
import { notNow } from '../refusals.ts';

/** What finding a VM with an agent may call. */
export const AGENT_CALLS = LIVE_CALLS;

const INSTALL =
  'Install and start qemu-guest-agent in the guest; if the option was just set, shut the VM down and start it again.';

/**
 * The VM of a call, once it is certain that its agent may answer: Proxmox itself says little of why one does not.
 *
 * @throws CallError as `guestTarget` does; INVALID_ARGUMENTS for a container; CONFLICT for a VM that does not run, or
 *   has no agent in its configuration
 */
export async function agentTarget(context: ToolContext, wanted: GuestWanted): Promise<GuestTarget> {
  const target = await guestTarget(context, wanted);
  const { cluster, guest } = target;
  if (guest.type === 'lxc') {
    throw new CallError('INVALID_ARGUMENTS', `${guest.vmid} is a container, which has no guest agent.`, {
      cluster: cluster.name,
      hint: 'Proxmox has no such call for containers: use `pct` on the node. Nothing was sent.',
    });
  }
  const { state, row } = await liveState(target);
  if (state !== 'running') {
    const action = state === 'paused' || state === 'hibernated' ? 'resume' : 'start';
    throw notNow(cluster, `VM ${guest.vmid} is ${state}.`, `power_guest with action ${action} brings it up.`);
  }
  if (!isTrue(row.agent)) {
    throw notNow(
      cluster,
      `The guest agent of VM ${guest.vmid} is not enabled.`,
      `update_guest with agent: true enables it. ${INSTALL}`,
    );
  }
  return target;
}

/** Asks the agent. @returns its result. @throws CallError that says what to do about a silent or refusing agent */
export async function askAgent({ cluster }: GuestTarget, request: GateRequest): Promise<unknown> {
  try {
    const { data } = await cluster.request(request);
    return isObject(data) && 'result' in data ? data.result : data;
  } catch (error) {
    throw inWords(error);
  }
}

function inWords(error: unknown): unknown {
  if (!(error instanceof CallError)) return error;
  const { code, message, cluster, retryable } = error;
  const details = cluster === undefined ? {} : { cluster };
  if (/guest agent is not running|no qemu guest agent configured/i.test(message)) {
    return new CallError('CONFLICT', message, { ...details, hint: INSTALL, retryable: true });
  }
  if (/(?:command|guest-\S+) .*(?:has been disabled|is disabled|not (?:been )?found)|frozen/i.test(message)) {
    const hint =
      "The guest's administrator has turned it off in the agent's settings, its file systems are frozen (freeze_guest), or the agent is too old; inspect_guest tells what it can.";
    return new CallError(code === 'NOT_FOUND' ? 'UPSTREAM_ERROR' : code, message, {
      ...details,
      hint,
      retryable,
    });
  }
  return error;
}
