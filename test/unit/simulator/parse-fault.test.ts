import { describe, expect, test } from 'vitest';
import { parseFault } from '../../../src/simulator/faults/parse.ts';

describe('a fault is read from', () => {
  test.each([
    ['hang', { kind: 'hang' }],
    ['storm:rate=0.5', { kind: 'storm', rate: 0.5 }],
    ['node-down:node=pve2,seconds=30', { kind: 'node-down', node: 'pve2', seconds: 30 }],
    ['lock-held:vmid=100,lock=backup', { kind: 'lock-held', vmid: 100, lock: 'backup' }],
    ['task-error:message=no space, none at all', { kind: 'task-error', message: 'no space, none at all' }],
    ['redirect:location=https://a:8006/x', { kind: 'redirect', location: 'https://a:8006/x' }],
    ['proxy-error:code=596', { kind: 'proxy-error', code: 596 }],
    ['clock-skew:node=pve2,ahead=-90', { kind: 'clock-skew', node: 'pve2', ahead: -90 }],
    ['truncated-json:end=true', { kind: 'truncated-json', end: true }],
  ])('%s', (text, fault) => {
    expect(parseFault(text)).toEqual({ fault });
  });

  test('with the cluster it is for', () => {
    expect(parseFault('quorum-lost:cluster=staging')).toEqual({
      fault: { kind: 'quorum-lost' },
      cluster: 'staging',
    });
  });

  test.each([
    ['hang:GET /nodes:times=3', 'GET /nodes', 'GET /nodes/pve1'],
    ['hang:/nodes/*/status', 'GET /nodes/pve1/status', 'GET /nodes/pve1/qemu/status'],
    ['hang:POST /nodes/**', 'POST /nodes/pve1/qemu/100/status/start', 'GET /nodes/pve1'],
    ['hang:GET /nodes/pve1/tasks/UPID:pve1:1:2/log', 'GET /nodes/pve1/tasks/UPID:pve1:1:2/log', 'GET /x'],
  ])('%s, which strikes %s and not %s', (text, struck, spared) => {
    const { match } = parseFault(text).fault;
    expect(match).toBeInstanceOf(RegExp);
    if (!(match instanceof RegExp)) return;
    expect([match.test(struck), match.test(spared)]).toEqual([true, false]);
  });
});

describe('a fault is refused', () => {
  test.each([
    ['hagn', /unknown fault 'hagn'; there are hang, html/],
    ['hang:times=x', /times: .*number/i],
    ['hang:vmid=100', /vmid/],
    ['lock-held', /vmid/],
    ['clock-skew:node=pve2', /ahead/],
    ['proxy-error:code=500', /code/],
    ['hang:', /ends in ':'/],
  ])('%s', (text, message) => {
    expect(() => parseFault(text)).toThrow(message);
  });
});
