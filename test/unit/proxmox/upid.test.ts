import { describe, expect, test } from 'vitest';
import { taskOutcome } from '../../../src/proxmox/task.ts';
import { formatUpid, parseUpid } from '../../../src/proxmox/upid.ts';

describe('UPIDs', () => {
  const text = 'UPID:pve1:000C4A3F:0B2D7E11:66F3A1B2:qmstart:100:ops@pve!mcp:';

  test('are taken apart', () => {
    expect(parseUpid(text)).toEqual({
      node: 'pve1',
      pid: 0xc4a3f,
      processStart: 0xb2d7e11,
      startTime: 0x66f3a1b2,
      type: 'qmstart',
      id: '100',
      user: 'ops@pve',
      tokenId: 'mcp',
    });
  });

  test.each([
    text,
    'UPID:pve-2:000C4A3F:10B2D7E11:66F3A1B2:srvreload::root@pam:',
    'UPID:p:00000001:00000002:00000003:vzdump:100:first.last@ldap-1:',
  ])('%s comes back as it was', (upid) => {
    expect(formatUpid(parseUpid(upid))).toBe(upid);
  });

  test.each([
    '',
    text.slice(0, -1),
    ` ${text}`,
    `${text}x`,
    `${text}\n`,
    text.replace('pve1', '../x'),
    text.replace('pve1', ''),
    text.replace('000C4A3F', 'C4A3F'),
    text.replace('000C4A3F', '000C4A3G'),
    text.replace('qmstart', ''),
    text.replace('100', 'a/b'),
    text.replace('@pve', ''),
    text.replace('!mcp', '!'),
  ])('%j is refused', (upid) => {
    expect(() => parseUpid(upid)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENTS' }));
  });
});

test.each([
  [{ status: 'running' }, { state: 'running' }],
  [{ status: 'RUNNING' }, { state: 'running' }],
  [{}, { state: 'running' }],
  [{ status: 'stopped', exitstatus: 'OK' }, { state: 'ok' }],
  [{ status: 'OK' }, { state: 'ok' }],
  [
    { status: 'stopped', exitstatus: 'WARNINGS: 3' },
    { state: 'warnings', count: 3 },
  ],
  [
    { status: 'stopped', exitstatus: 'command failed' },
    { state: 'failed', message: 'command failed' },
  ],
  [{ status: 'stopped' }, { state: 'failed', message: 'unexpected status' }],
  [{ status: 'interrupted by signal' }, { state: 'failed', message: 'interrupted by signal' }],
])('taskOutcome of %j', (task, outcome) => {
  expect(taskOutcome(task)).toEqual(outcome);
});
