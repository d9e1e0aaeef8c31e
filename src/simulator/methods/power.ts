import { failure } from '../errors.ts';
import {
  applyPending,
  type Guest,
  type GuestType,
  isTemplate,
  label,
  startGuest,
  stopGuest,
} from '../state/guest.ts';
import type { Properties } from '../verify.ts';
import { refuseLocked, refuseSkiplock, startGuestTask } from './guest-work.ts';
import {
  boolean,
  type Call,
  guestOf,
  integer,
  type Method,
  node,
  onGuest,
  optional,
  string,
  vmid,
} from './method.ts';

interface PowerAction {
  action: string;
  /** The verb in the task's type where it is not the action's own name. */
  task?: string;
  types: GuestType[];
  /** What the state must be. `call` refuses at once, `task` lets the task fail; PVE does both. */
  needs?: 'running' | 'stopped';
  refusedBy: Record<GuestType, 'call' | 'task'>;
  properties: Properties;
  change: (guest: Guest, now: number) => void;
}

const BOTH: GuestType[] = ['qemu', 'lxc'];
const timeout = { timeout: integer(0) };

const ACTIONS: PowerAction[] = [
  {
    action: 'start',
    types: BOTH,
    needs: 'stopped',
    refusedBy: { qemu: 'task', lxc: 'call' },
    properties: { ...timeout, machine: optional(string), 'force-cpu': optional(string), debug: boolean },
    change: startGuest,
  },
  {
    // Stopping a VM that is down succeeds; a container refuses.
    action: 'stop',
    types: BOTH,
    needs: 'running',
    refusedBy: { qemu: 'task', lxc: 'call' },
    properties: { ...timeout, keepActive: boolean, 'overrule-shutdown': boolean },
    change: stopGuest,
  },
  {
    action: 'shutdown',
    types: BOTH,
    needs: 'running',
    refusedBy: { qemu: 'task', lxc: 'call' },
    properties: { ...timeout, forceStop: boolean, keepActive: boolean },
    change: stopGuest,
  },
  {
    action: 'reboot',
    types: BOTH,
    needs: 'running',
    refusedBy: { qemu: 'call', lxc: 'call' },
    properties: timeout,
    change: startGuest,
  },
  {
    action: 'reset',
    types: ['qemu'],
    needs: 'running',
    refusedBy: { qemu: 'call', lxc: 'call' },
    properties: {},
    change: applyPending,
  },
  {
    action: 'suspend',
    task: 'pause',
    types: ['qemu'],
    needs: 'running',
    refusedBy: { qemu: 'call', lxc: 'call' },
    properties: {},
    change: (guest) => {
      guest.paused = true;
    },
  },
  {
    action: 'resume',
    types: ['qemu'],
    needs: 'running',
    refusedBy: { qemu: 'call', lxc: 'call' },
    properties: { nocheck: boolean },
    change: (guest) => {
      guest.paused = false;
    },
  },
];

function refuseState({ needs }: PowerAction, guest: Guest): void {
  if (needs === undefined || guest.status === needs) return;
  throw failure(`${label(guest)} ${guest.vmid} ${needs === 'stopped' ? 'already running' : 'not running'}`);
}

/** A VM that is down already counts as stopped and as shut down: the task ends OK. */
function isDone({ action }: PowerAction, guest: Guest): boolean {
  return guest.type === 'qemu' && guest.status === 'stopped' && (action === 'stop' || action === 'shutdown');
}

function perform(call: Call, type: GuestType, power: PowerAction): string {
  refuseSkiplock(call);
  const guest = guestOf(call, type);
  if (power.refusedBy[type] === 'call') refuseState(power, guest);
  const check = (): void => {
    refuseLocked(guest);
    if (power.action === 'start' && isTemplate(guest)) {
      throw failure(`you can't start a ${type === 'qemu' ? 'vm' : 'CT'} if it's a template`);
    }
    if (!isDone(power, guest)) refuseState(power, guest);
  };
  return startGuestTask(call, guest, power.task ?? power.action, {
    check,
    // Checked again at the end: another task may have been quicker.
    end: () => {
      check();
      if (!isDone(power, guest)) power.change(guest, call.state.clock());
    },
    log: [`${power.action} ${label(guest)} ${guest.vmid} on ${guest.node}`],
  });
}

/** The methods below `status` that change what a guest does. */
export function powerMethods(type: GuestType): Method[] {
  return ACTIONS.filter((power) => power.types.includes(type)).map((power) => ({
    method: 'POST',
    path: `/nodes/{node}/${type}/{vmid}/status/${power.action}`,
    properties: { node, vmid, skiplock: boolean, ...power.properties },
    permissions: onGuest('VM.PowerMgmt'),
    handler: (call) => perform(call, type, power),
  }));
}
