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
import { forgetMemory, saveMemory } from '../state/memory.ts';
import type { Properties } from '../verify.ts';
import { choice, require, texts } from './declare.ts';
import { lockedWorker, refuseLocked, refuseSkiplock, startGuestTask } from './guest-work.ts';
import { haPower } from './ha/power.ts';
import {
  boolean,
  type Call,
  flag,
  guestOf,
  integer,
  type Method,
  node,
  onGuest,
  optional,
  optionalText,
  storage,
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
  properties: Record<GuestType, Properties>;
  change: (guest: Guest, call: Call) => void;
}

const BOTH: GuestType[] = ['qemu', 'lxc'];
const timeout = { timeout: integer(0) };
const skiplock = { skiplock: boolean };
const AT_ONCE: PowerAction['refusedBy'] = { qemu: 'call', lxc: 'call' };
const VM_IN_TASK: PowerAction['refusedBy'] = { qemu: 'task', lxc: 'call' };

const ACTIONS: PowerAction[] = [
  {
    action: 'start',
    types: BOTH,
    needs: 'stopped',
    refusedBy: VM_IN_TASK,
    properties: {
      qemu: {
        ...skiplock,
        ...timeout,
        ...texts('force-cpu', 'machine', 'migration_network', 'nets-host-mtu', 'stateuri', 'targetstorage'),
        migratedfrom: optional(node),
        migration_type: choice('secure', 'insecure'),
        'with-conntrack-state': boolean,
      },
      lxc: { ...skiplock, debug: boolean },
    },
    change: (guest, { state }) => {
      forgetMemory(state, guest);
      startGuest(guest, state.clock());
    },
  },
  {
    // Stopping a VM that is down succeeds; a container refuses.
    action: 'stop',
    types: BOTH,
    needs: 'running',
    refusedBy: VM_IN_TASK,
    properties: {
      qemu: {
        ...skiplock,
        ...timeout,
        keepActive: boolean,
        migratedfrom: optional(node),
        'overrule-shutdown': boolean,
      },
      lxc: { ...skiplock, 'overrule-shutdown': boolean },
    },
    change: stopGuest,
  },
  {
    action: 'shutdown',
    types: BOTH,
    needs: 'running',
    refusedBy: VM_IN_TASK,
    properties: {
      qemu: { ...skiplock, ...timeout, forceStop: boolean, keepActive: boolean },
      lxc: { ...timeout, forceStop: boolean },
    },
    change: stopGuest,
  },
  {
    action: 'reboot',
    types: BOTH,
    needs: 'running',
    refusedBy: AT_ONCE,
    properties: { qemu: timeout, lxc: timeout },
    change: (guest, { state }) => startGuest(guest, state.clock()),
  },
  {
    action: 'reset',
    types: ['qemu'],
    needs: 'running',
    refusedBy: AT_ONCE,
    properties: { qemu: skiplock, lxc: {} },
    change: applyPending,
  },
  {
    action: 'suspend',
    task: 'pause',
    types: BOTH,
    needs: 'running',
    refusedBy: AT_ONCE,
    properties: { qemu: { ...skiplock, statestorage: optional(storage), todisk: boolean }, lxc: {} },
    change: (guest) => {
      guest.paused = true;
    },
  },
  {
    action: 'resume',
    types: BOTH,
    needs: 'running',
    refusedBy: AT_ONCE,
    properties: { qemu: { ...skiplock, nocheck: boolean }, lxc: {} },
    change: (guest, { state }) => {
      if (guest.lock === 'suspended') {
        forgetMemory(state, guest);
        startGuest(guest, state.clock());
      }
      guest.paused = false;
    },
  },
];

function refuseState({ needs, action }: PowerAction, guest: Guest): void {
  if (needs === undefined || guest.status === needs) return;
  // Resuming brings back one whose memory is on disk, too.
  if (action === 'resume' && guest.lock === 'suspended') return;
  throw failure(`${label(guest)} ${guest.vmid} ${needs === 'stopped' ? 'already running' : 'not running'}`);
}

/** A VM that is down already counts as stopped and as shut down: the task ends OK. */
function isDone({ action }: PowerAction, guest: Guest): boolean {
  return guest.type === 'qemu' && guest.status === 'stopped' && (action === 'stop' || action === 'shutdown');
}

function perform(call: Call, type: GuestType, power: PowerAction): string {
  refuseSkiplock(call);
  const guest = guestOf(call, type);
  const managed = haPower(call, guest, power.action);
  if (managed !== undefined) return managed;
  if (power.refusedBy[type] === 'call') refuseState(power, guest);
  if (power.action === 'suspend' && flag(call, 'todisk')) return suspendToDisk(call, guest);
  const check = (): void => {
    // Starting or resuming is how a VM comes back from disk.
    const comesBack = power.action === 'start' || power.action === 'resume';
    if (!(comesBack && guest.lock === 'suspended')) refuseLocked(guest, call);
    if (power.action === 'start' && isTemplate(guest)) {
      throw failure(`you can't start a ${type === 'qemu' ? 'vm' : 'CT'} if it's a template`);
    }
    if (!isDone(power, guest)) refuseState(power, guest);
  };
  return startGuestTask(call, guest, type === 'qemu' ? (power.task ?? power.action) : power.action, {
    check,
    // Checked again at the end: another task may have been quicker.
    end: () => {
      check();
      if (!isDone(power, guest)) power.change(guest, call);
    },
    log: [`${power.action} ${label(guest)} ${guest.vmid} on ${guest.node}`],
  });
}

/** Saves the memory and stops; the lock says that the VM has yet to come back. */
function suspendToDisk(call: Call, guest: Guest): string {
  require(call, `/vms/${guest.vmid}`, 'VM.Config.Disk');
  const worker = lockedWorker(guest, 'suspending', {
    end: () => {
      const { config } = guest;
      const day = new Date(call.state.clock()).toISOString().slice(0, 10);
      config.vmstate = saveMemory(call.state, guest, `suspend-${day}`, optionalText(call, 'statestorage'));
      stopGuest(guest);
    },
    log: [`suspend VM ${guest.vmid} to disk on ${guest.node}`],
  });
  const end = (say: (line: string) => void): void => {
    worker.end(say);
    guest.lock = 'suspended';
  };
  return startGuestTask(call, guest, 'suspend', { ...worker, end });
}

/** The methods below `status` that change what a guest does. */
export function powerMethods(type: GuestType): Method[] {
  return ACTIONS.filter((power) => power.types.includes(type)).map((power) => ({
    method: 'POST',
    path: `/nodes/{node}/${type}/{vmid}/status/${power.action}`,
    properties: { node, vmid, ...power.properties[type] },
    permissions: onGuest('VM.PowerMgmt'),
    handler: (call) => perform(call, type, power),
  }));
}
