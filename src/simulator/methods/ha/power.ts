import { type Guest, label } from '../../state/guest.ts';
import { enact, haResource, move } from '../../state/ha.ts';
import type { Call } from '../method.ts';

const WANTED: Record<string, 'started' | 'stopped' | undefined> = {
  start: 'started',
  stop: 'stopped',
  shutdown: 'stopped',
};

/**
 * Starting and stopping a guest under HA only says what is wanted: the task ends at once, and the resource
 * manager does the work in a task of its own. @returns undefined for a guest that is not under HA
 */
export function haPower(call: Call, guest: Guest, action: string): string | undefined {
  const resource = haResource(call.state, guest);
  const wanted = WANTED[action];
  if (!resource || resource.state === 'ignored' || wanted === undefined) return undefined;
  const type = wanted === 'started' ? 'hastart' : 'hastop';
  const origin = { node: guest.node, type, id: String(guest.vmid), owner: call.identity.id };
  return call.state.tasks.start(origin, {
    end: () => {
      resource.state = wanted;
      enact(call.state, resource);
    },
    log: [`Requesting HA ${action} for ${label(guest)} ${guest.vmid}`],
  });
}

/** Moving one asks the resource manager to. @returns undefined for a guest that is not under HA */
export function haMigrate(call: Call, guest: Guest, target: string): string | undefined {
  const resource = haResource(call.state, guest);
  if (!resource || resource.state === 'ignored') return undefined;
  const origin = { node: guest.node, type: 'hamigrate', id: String(guest.vmid), owner: call.identity.id };
  return call.state.tasks.start(origin, {
    end: () => move(call.state, resource, target, false),
    log: [`Requesting HA migration for ${label(guest)} ${guest.vmid} to node ${target}`],
  });
}
