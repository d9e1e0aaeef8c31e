import { describe, expect, it } from 'vitest';
import { bindingOf } from '../../../src/access/approvals/plan.ts';
import { followUpGrant } from '../../../src/access/follow-up.ts';
import type { Step } from '../../../src/access/steps.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const AGENT = '/nodes/pve1/qemu/100/agent';
const catalogue = loadBuiltInCatalogue();

/** What the approval of a call goes on to cover. */
function grantOf(line: string, answer: unknown, asked: object = {}) {
  const [method, path = ''] = line.split(' ') as [HttpMethod, string];
  const cluster = new RecordingCluster('a');
  const request = { method, path: parseApiPath(path), data: { ...asked } };
  const step = { cluster, request, decision: { approval: 'self' } } as unknown as Step;
  return followUpGrant(step, catalogue, { number: 1, by: 'self' }, answer);
}

/** Whether that is `exec-status` of a number. */
function covers(line: string, answer: unknown, pid = 77, asked: object = {}): boolean {
  const grant = grantOf(line, answer, asked);
  const status = { method: 'GET' as const, path: `${AGENT}/exec-status`, parameters: { pid: String(pid) } };
  return grant?.take([bindingOf('a', [status])], 'self') ?? false;
}

describe('the approval of a program', () => {
  it('covers how it ends, and one that asks so covers asking again', () => {
    expect(covers(`POST ${AGENT}/exec`, { pid: 77 })).toBe(true);
    expect(covers(`GET ${AGENT}/exec-status`, { exited: 0 }, 77, { pid: 77 })).toBe(true);
  });

  it.each<[string, unknown]>([
    [`POST ${AGENT}/exec`, { pid: 78 }],
    [`POST ${AGENT}/exec`, { pid: '77' }],
    [`POST ${AGENT}/exec`, {}],
    [`POST ${AGENT}/exec`, null],
    [`GET ${AGENT}/exec`, { pid: 77 }],
    [`POST ${AGENT}/exec-status`, { pid: 77 }],
    [`POST ${AGENT}/file-write`, { pid: 77 }],
    [`POST ${AGENT}/exec/x`, { pid: 77 }],
    ['POST /nodes/pve1/lxc/100/agent/exec', { pid: 77 }],
    ['POST /nodes/pve1/qemu/101/agent/exec', { pid: 77 }],
  ])('%s that answers %j does not cover it', (line, answer) => {
    expect(covers(line, answer)).toBe(false);
  });

  it('covers no read but of its status', () => {
    expect(grantOf(`GET ${AGENT}/file-read`, { pid: 77 }, { file: '/etc/shadow' })).toBeUndefined();
    expect(grantOf(`GET ${AGENT}/exec`, { pid: 77 })).toBeUndefined();
    expect(grantOf(`POST ${AGENT}/exec-status`, { pid: 77 }, { pid: 77 })).toBeUndefined();
    expect(grantOf('GET /version', {})).toBeUndefined();
  });

  it('is none where the status can’t be asked: the answer has to come all the same', () => {
    expect(covers(`GET ${AGENT}/exec-status`, {}, 77, { pid: 'x' })).toBe(false);
  });
});
