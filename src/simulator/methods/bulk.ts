import { failure, forbidden, invalidParameters } from '../errors.ts';
import { findNode } from '../state/cluster-state.ts';
import { type Guest, isTemplate, label, startGuest, stopGuest } from '../state/guest.ts';
import type { Properties } from '../verify.ts';
import { arrays, booleans, declare, items, startNodeTask, texts } from './declare.ts';
import {
  type Call,
  flag,
  index,
  integer,
  type Method,
  node,
  optional,
  optionalText,
  storage,
  text,
} from './method.ts';
import { moveGuest, refuseMove } from './migrate.ts';

type Act = (guest: Guest, call: Call, say: (line: string) => void) => void;

interface Bulk {
  name: 'start' | 'shutdown' | 'suspend' | 'migrate';
  privilege: string;
  /** Which guests it is for; the others are passed over. */
  fits: (guest: Guest, call: Call) => boolean;
  act: Act;
}

const running = (guest: Guest): boolean => guest.status === 'running';

const BULK: Bulk[] = [
  {
    name: 'start',
    privilege: 'VM.PowerMgmt',
    // Without a list only those that start with the host, unless it is forced.
    fits: (guest, call) => {
      const asked = call.parameters.vms !== undefined || flag(call, 'force') || guest.config.onboot === 1;
      return !running(guest) && !isTemplate(guest) && asked;
    },
    act: (guest, call) => startGuest(guest, call.state.clock()),
  },
  { name: 'shutdown', privilege: 'VM.PowerMgmt', fits: running, act: stopGuest },
  {
    name: 'suspend',
    privilege: 'VM.PowerMgmt',
    fits: (guest) => running(guest) && guest.type === 'qemu',
    act: (guest) => {
      guest.paused = true;
    },
  },
  {
    name: 'migrate',
    privilege: 'VM.Migrate',
    fits: (guest, call) => guest.node !== text(call, 'target'),
    act: (guest, call, say) => {
      refuseMove(call, guest, text(call, 'target'));
      moveGuest(call, guest, text(call, 'target'), say);
    },
  },
];

function wanted(call: Call): Set<number> | undefined {
  const { vms } = call.parameters;
  if (vms === undefined) return undefined;
  return new Set((Array.isArray(vms) ? vms : items(String(vms))).map(Number));
}

function refuseUnpermitted(call: Call, privilege: string): void {
  const { access } = call.state;
  if (access.has(call.identity, '/', privilege)) return;
  const listed = [...(wanted(call) ?? [])];
  if (listed.length === 0) throw forbidden(`/, ${privilege}`);
  const missing = listed.find((vmid) => !access.has(call.identity, `/vms/${vmid}`, privilege));
  if (missing !== undefined) throw forbidden(`/vms/${missing}, ${privilege}`);
}

/** One task for many guests: one that fails keeps none of the others back, but the task says so. */
function run(call: Call, bulk: Bulk, taskType: string): string {
  const { state } = call;
  refuseUnpermitted(call, bulk.privilege);
  const target = optionalText(call, 'target');
  if (target !== undefined && !findNode(state, target)) throw failure(`no such cluster node '${target}'`);
  const host = optionalText(call, 'node');
  if (target !== undefined && target === host) throw invalidParameters({ target: 'target is local node.' });
  const listed = wanted(call);
  const candidates = [...state.guests.values()].filter((guest) => {
    return (host === undefined || guest.node === host) && (listed === undefined || listed.has(guest.vmid));
  });
  return startNodeTask(call, taskType, '', {
    end: (say) => {
      const failed: number[] = [];
      for (const guest of candidates.filter((candidate) => bulk.fits(candidate, call))) {
        say(`${bulk.name} ${label(guest)} ${guest.vmid}`);
        try {
          if (guest.lock !== undefined) throw failure(`${label(guest)} is locked (${guest.lock})`);
          bulk.act(guest, call, say);
        } catch (error) {
          failed.push(guest.vmid);
          say(`${label(guest)} ${guest.vmid}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      if (failed.length > 0) throw failure(`some guests failed: ${failed.join(', ')}`);
    },
  });
}

const workers: Properties = { 'max-workers': integer(1, 64) };
const NODE_PROPERTIES: Record<string, Properties> = {
  start: booleans('force'),
  shutdown: { ...booleans('force-stop'), timeout: integer(0, 7200) },
  suspend: {},
  migrate: { maxworkers: integer(1, 64), target: node, ...booleans('with-local-disks') },
};
const CLUSTER_PROPERTIES: Record<string, Properties> = {
  start: { timeout: integer() },
  shutdown: { ...booleans('force-stop'), timeout: integer() },
  suspend: { ...booleans('to-disk'), statestorage: optional(storage) },
  migrate: { target: node, ...booleans('online', 'with-local-disks') },
};
const NODE_NAMES: Record<string, string> = {
  start: 'startall',
  shutdown: 'stopall',
  suspend: 'suspendall',
  migrate: 'migrateall',
};

/** Work on all guests of a node, or on many of the cluster. */
export const bulkMethods: Method[] = [
  ...BULK.map((bulk) => {
    const name = NODE_NAMES[bulk.name] ?? bulk.name;
    const properties = { node, ...workers, ...texts('vms'), ...NODE_PROPERTIES[bulk.name] };
    return declare('POST', `/nodes/{node}/${name}`, { user: 'all' }, properties, (call) =>
      run(call, bulk, name),
    );
  }),
  ...BULK.map((bulk) => {
    const common = { ...workers, maxworkers: integer(1, 64), ...arrays('vms') };
    return declare(
      'POST',
      `/cluster/bulk-action/guest/${bulk.name}`,
      { user: 'all' },
      { ...common, ...CLUSTER_PROPERTIES[bulk.name] },
      (call) => run(call, bulk, `bulk${bulk.name}`),
    );
  }),
  declare('GET', '/cluster/bulk-action', { user: 'all' }, {}, () => index('name', ['guest'])),
  declare('GET', '/cluster/bulk-action/guest', { user: 'all' }, {}, () => {
    return index('name', ['start', 'shutdown', 'suspend', 'migrate']);
  }),
];
