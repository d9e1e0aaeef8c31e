import type { GateRequest } from '../../access/gate.ts';
import type { GuestRow } from '../../clusters/inventory.ts';
import { CallError } from '../../proxmox/errors.ts';
import type { ApiCall } from '../define.ts';
import type { LiveState } from '../guest-live.ts';
import type { GuestTarget } from '../guest-target.ts';
import { compact } from '../results.ts';

export const POWER_ACTIONS = [
  'start',
  'shutdown',
  'stop',
  'reboot',
  'reset',
  'suspend',
  'resume',
  'hibernate',
] as const;

export type PowerAction = (typeof POWER_ACTIONS)[number];

export interface PowerWish {
  action: PowerAction;
  timeout_seconds?: number | undefined;
  force?: boolean | undefined;
}

/** What is to be sent, or why nothing has to be. */
export type PowerPlan = { request: GateRequest } | { already: string };

const POST = (type: GuestRow['type'], verb: string, ...parameters: string[]): ApiCall => [
  'POST',
  `/nodes/{node}/${type}/{vmid}/status/${verb}`,
  ...parameters,
];

export const POWER_CALLS: readonly ApiCall[] = [
  POST('qemu', 'start'),
  POST('lxc', 'start'),
  POST('qemu', 'shutdown', 'timeout', 'forceStop'),
  POST('lxc', 'shutdown', 'timeout', 'forceStop'),
  POST('qemu', 'stop', 'overrule-shutdown'),
  POST('lxc', 'stop', 'overrule-shutdown'),
  POST('qemu', 'reboot', 'timeout'),
  POST('lxc', 'reboot', 'timeout'),
  POST('qemu', 'reset'),
  POST('qemu', 'suspend', 'todisk'),
  POST('lxc', 'suspend'),
  POST('qemu', 'resume'),
  POST('lxc', 'resume'),
];

/** As a sentence says it. */
export const DONE: Readonly<Record<PowerAction, string>> = {
  start: 'started',
  shutdown: 'shut down',
  stop: 'stopped',
  reboot: 'rebooted',
  reset: 'reset',
  suspend: 'suspended',
  resume: 'resumed',
  hibernate: 'hibernated',
};

type State = LiveState['state'];

/** States in which there is nothing left to do. */
const GOALS: Readonly<Record<PowerAction, readonly State[]>> = {
  start: ['running'],
  shutdown: ['stopped', 'hibernated'],
  stop: ['stopped', 'hibernated'],
  reboot: [],
  reset: [],
  suspend: ['paused'],
  resume: ['running'],
  hibernate: ['hibernated'],
};

/** States that it can't be done in, and what helps. */
const IMPOSSIBLE: Readonly<Record<PowerAction, Partial<Record<State, string>>>> = {
  start: { paused: 'resume' },
  shutdown: { paused: 'resume it first, or stop' },
  stop: {},
  reboot: { stopped: 'start', hibernated: 'resume', paused: 'resume' },
  reset: { stopped: 'start', hibernated: 'resume' },
  suspend: { stopped: 'start', hibernated: 'resume' },
  resume: { stopped: 'start' },
  hibernate: { stopped: 'start' },
};

/** HA takes the wish, and acts by itself. */
const BY_HA: readonly PowerAction[] = ['start', 'shutdown', 'stop'];

/** What is to be said of a guest under HA, whose task ends long before the guest has started or stopped. */
export function haNote({ isHa }: LiveState, action: PowerAction): string | undefined {
  return isHa && BY_HA.includes(action)
    ? 'HA was asked, and will do it; get_guest shows when it is done.'
    : undefined;
}

const VMS_ALONE: readonly PowerAction[] = ['reset', 'hibernate'];

/**
 * @throws CallError INVALID_ARGUMENTS for what this kind of guest, or this action, does not have; CONFLICT where the
 *   guest's state does not let it
 */
export function planPower(target: GuestTarget, live: LiveState, wish: PowerWish): PowerPlan {
  const { guest, cluster, at } = target;
  const { action, timeout_seconds: timeout } = wish;
  const subject = `${kindWord(guest.type) === 'VM' ? 'VM' : 'Container'} ${guest.vmid}`;
  if (guest.type === 'lxc' && VMS_ALONE.includes(action)) {
    throw unfitting(`VMs alone can be ${DONE[action]}; ${guest.vmid} is a container.`);
  }
  checkOptions(wish);
  if (live.isTemplate)
    throw impossible(cluster.name, `${subject} is a template, which never runs.`, 'clone_guest');
  if (GOALS[action].includes(live.state)) return { already: live.state };
  const instead = IMPOSSIBLE[action][live.state];
  if (instead !== undefined) {
    const can = `${subject} is ${live.state}: it can't be ${DONE[action]}.`;
    throw impossible(cluster.name, can, `power_guest: ${instead}`);
  }
  const data = compact({
    timeout: action === 'stop' ? undefined : timeout,
    forceStop: action === 'shutdown' ? wish.force : undefined,
    'overrule-shutdown': action === 'stop' ? wish.force : undefined,
    todisk: action === 'hibernate' ? true : undefined,
  });
  return { request: { method: 'POST', path: at('status', verbOf(action)), data } };
}

function verbOf(action: PowerAction): string {
  return action === 'hibernate' ? 'suspend' : action;
}

/** @throws CallError INVALID_ARGUMENTS for options that the action does not take */
export function checkOptions({ action, timeout_seconds, force }: PowerWish): void {
  if (timeout_seconds !== undefined && action !== 'shutdown' && action !== 'reboot') {
    throw unfitting(`timeout_seconds goes with shutdown and reboot, not with ${action}.`);
  }
  if (force === true && action !== 'shutdown' && action !== 'stop') {
    throw unfitting(`force goes with shutdown and stop, not with ${action}.`);
  }
}

function unfitting(message: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, { hint: 'Nothing was sent.' });
}

function impossible(cluster: string, message: string, instead: string): CallError {
  return new CallError('CONFLICT', message, {
    cluster,
    hint: `Use ${instead}. Nothing was sent.`,
    retryable: false,
  });
}

function kindWord(type: GuestRow['type']): string {
  return type === 'qemu' ? 'VM' : 'container';
}
