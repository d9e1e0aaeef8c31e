import { beforeEach, describe, expect, test } from 'vitest';
import { Api } from '../../../src/simulator/api.ts';
import { DEMO_ESTATE } from '../../../src/simulator/estate.ts';
import { builtInSchema } from '../../../src/simulator/schema/api-schema.ts';
import { buildState } from '../../../src/simulator/state/build-state.ts';
import type { ClusterState } from '../../../src/simulator/state/cluster-state.ts';

const api = new Api(builtInSchema());
let now = 0;
let state: ClusterState;

function cluster(resourcesLagSeconds: number): ClusterState {
  const [spec] = DEMO_ESTATE;
  if (!spec) throw new Error('the demo estate is empty');
  return buildState(spec, { clock: () => now, taskSeconds: 0, resourcesLagSeconds });
}

beforeEach(() => {
  now = 1_800_000_000_000;
  state = cluster(10);
});

/** As a node's front does it for each request. */
function call(verb: string, path: string, given: Record<string, unknown> = {}): unknown {
  state.broadcast.settle(state);
  state.tasks.settle();
  return api.call(state, {
    verb,
    path,
    given,
    identity: { id: 'root@pam', user: 'root@pam' },
    localNode: 'pve1',
  });
}

function row(vmid: number): Record<string, unknown> | undefined {
  const rows = call('GET', '/cluster/resources', { type: 'vm' }) as Record<string, unknown>[];
  return rows.find((candidate) => candidate.vmid === vmid);
}

describe('the inventory', () => {
  test('shows a started guest as stopped until the next round; status/current is live', () => {
    call('POST', '/nodes/pve2/qemu/103/status/start');
    expect(call('GET', '/nodes/pve2/qemu/103/status/current')).toMatchObject({ status: 'running' });
    expect(row(103)).toMatchObject({ status: 'stopped', name: 'build-01' });
    now += 10_000;
    expect(row(103)).toMatchObject({ status: 'running' });
  });

  test('knows neither name nor state of a guest that was just made', () => {
    call('POST', '/nodes/pve1/qemu', { vmid: '700', name: 'fresh' });
    expect(row(700)).toMatchObject({ id: 'qemu/700', node: 'pve1', status: 'unknown' });
    expect(row(700)).not.toHaveProperty('name');
    now += 9999;
    expect(row(700)).toMatchObject({ status: 'unknown' });
    now += 1;
    expect(row(700)).toMatchObject({ status: 'stopped', name: 'fresh' });
  });

  test('is live without a lag', () => {
    state = cluster(0);
    call('POST', '/nodes/pve2/qemu/103/status/start');
    expect(row(103)).toMatchObject({ status: 'running' });
  });
});
