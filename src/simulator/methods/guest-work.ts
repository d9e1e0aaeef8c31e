import { failure, invalidParameters } from '../errors.ts';
import { type Guest, label } from '../state/guest.ts';
import type { Worker } from '../state/tasks.ts';
import type { Call } from './method.ts';

/** @param call the call whose `skiplock`, which only root may give, overrides the lock */
export function refuseLocked(guest: Guest, call?: Call): void {
  if (guest.lock !== undefined && call?.parameters.skiplock !== 1)
    throw failure(`${label(guest)} is locked (${guest.lock})`);
}

/** Overriding a guest's lock is for root@pam alone. */
export function refuseSkiplock({ parameters, identity }: Call): void {
  if (parameters.skiplock === 1 && identity.id !== 'root@pam') {
    throw invalidParameters({ skiplock: 'Only root may use this option.' });
  }
}

/** Starts a task on a guest, named as PVE names it: qmstart, vzstart, … */
export function startGuestTask(call: Call, guest: Guest, action: string, worker: Worker): string {
  // The one name that does not keep to the rule.
  if (guest.type === 'qemu' && action === 'migrate') return startPlainTask(call, guest, 'qmigrate', worker);
  return startPlainTask(call, guest, `${guest.type === 'qemu' ? 'qm' : 'vz'}${action}`, worker);
}

/** Starts a task on a guest whose type has the same name for both kinds: resize, move_volume, … */
export function startPlainTask(call: Call, guest: Guest, type: string, worker: Worker): string {
  const origin = { node: guest.node, type, id: String(guest.vmid), owner: call.identity.id };
  return call.state.tasks.start(origin, worker);
}

/** Work that holds the guest's lock while it lasts and ends without it, whatever its end. */
export function lockedWorker(guest: Guest, lock: string, worker: Worker): Worker {
  const unlock = (): void => {
    delete guest.lock;
  };
  return {
    ...(worker.log ? { log: worker.log } : {}),
    check: () => {
      refuseLocked(guest);
      worker.check?.();
    },
    begin: () => {
      guest.lock = lock;
      worker.begin?.();
    },
    end: (say) => {
      worker.end(say);
      unlock();
    },
    abort: () => {
      unlock();
      worker.abort?.();
    },
  };
}
