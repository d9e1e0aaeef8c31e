import { isObject, isTrue } from '../catalogue/json.ts';
import type { GuestTarget } from './guest-target.ts';
import { textOf } from './results.ts';

/** What a guest does now. */
export interface LiveState {
  /** `hibernated`: a VM whose memory was saved to disk; it is down, and resumes from there. */
  state: 'running' | 'paused' | 'stopped' | 'hibernated';
  lock: string | undefined;
  isTemplate: boolean;
  /** Under HA, starting, stopping and moving is only asked for; the resource manager does it. */
  isHa: boolean;
  haState: string | undefined;
  row: Readonly<Record<string, unknown>>;
}

export const LIVE_CALLS = [
  ['GET', '/nodes/{node}/qemu/{vmid}/status/current'],
  ['GET', '/nodes/{node}/lxc/{vmid}/status/current'],
] as const;

/** Asks the guest's node; the inventory lags behind. @throws CallError */
export async function liveState({ cluster, at }: Pick<GuestTarget, 'cluster' | 'at'>): Promise<LiveState> {
  const { data } = await cluster.request({ method: 'GET', path: at('status', 'current') });
  const row = isObject(data) ? data : {};
  const lock = textOf(row.lock);
  const ha = isObject(row.ha) ? row.ha : {};
  return {
    state: stateOf(row, lock),
    lock,
    isTemplate: isTrue(row.template),
    isHa: isTrue(ha.managed),
    haState: textOf(ha.state),
    row,
  };
}

function stateOf(row: Readonly<Record<string, unknown>>, lock: string | undefined): LiveState['state'] {
  if (row.status !== 'running') return lock === 'suspended' ? 'hibernated' : 'stopped';
  // `status` is running for a paused VM, too; a container has no qmpstatus.
  return row.qmpstatus === 'paused' ? 'paused' : 'running';
}
