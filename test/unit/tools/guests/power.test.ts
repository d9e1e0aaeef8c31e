import { describe, expect, it } from 'vitest';
import { ApiPath } from '../../../../src/proxmox/api-path.ts';
import type { LiveState } from '../../../../src/tools/guest-live.ts';
import type { GuestTarget } from '../../../../src/tools/guest-target.ts';
import { type POWER_ACTIONS, planPower } from '../../../../src/tools/guests/power.ts';

const target = (type: 'qemu' | 'lxc') =>
  ({
    cluster: { name: 'one' },
    guest: { type, vmid: 100, node: 'pve1' },
    at: (...below: string[]) => ApiPath.ofSegments(['nodes', 'pve1', type, '100', ...below]),
  }) as unknown as GuestTarget;

const live = (state: LiveState['state']): LiveState => ({
  ...{ state, lock: undefined, isTemplate: false, isHa: false, haState: undefined, row: {} },
});

const outcome = (action: (typeof POWER_ACTIONS)[number], state: LiveState['state']): string => {
  try {
    const plan = planPower(target('qemu'), live(state), { action });
    return 'already' in plan ? 'already' : plan.request.path.segments.slice(4).join('/');
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('planPower: every action in every state', () => {
  const sent = (action: string) => `status/${action}`;
  it.each([
    ['start', 'already', 'CONFLICT', sent('start'), sent('start')],
    ['shutdown', sent('shutdown'), 'CONFLICT', 'already', 'already'],
    ['stop', sent('stop'), sent('stop'), 'already', 'already'],
    ['reboot', sent('reboot'), 'CONFLICT', 'CONFLICT', 'CONFLICT'],
    ['reset', sent('reset'), sent('reset'), 'CONFLICT', 'CONFLICT'],
    ['suspend', sent('suspend'), 'already', 'CONFLICT', 'CONFLICT'],
    ['resume', 'already', sent('resume'), 'CONFLICT', sent('resume')],
    ['hibernate', sent('suspend'), sent('suspend'), 'CONFLICT', 'already'],
  ] as const)('%s', (action, ...outcomes) => {
    const states = ['running', 'paused', 'stopped', 'hibernated'] as const;
    expect(states.map((state) => outcome(action, state))).toEqual(outcomes);
  });

  it('hibernate saves to disk; a container can neither that nor be reset', () => {
    const plan = planPower(target('qemu'), live('running'), { action: 'hibernate' });
    expect('request' in plan && plan.request.data).toEqual({ todisk: true });
    for (const action of ['hibernate', 'reset'] as const) {
      expect(() => planPower(target('lxc'), live('running'), { action })).toThrow('VMs alone');
    }
  });
});
