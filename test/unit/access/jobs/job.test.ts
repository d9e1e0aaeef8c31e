import { describe, expect, it } from 'vitest';
import { startedJobs, upidsIn } from '../../../../src/access/jobs/job.ts';
import { somebody } from '../../../support/policy.ts';

const UPID = 'UPID:pve1:0000ABCD:00112233:66112233:qmstart:100:root@pam:';
const OTHER = 'UPID:pve2:0000ABCD:00112233:66112233:vzdump::root@pam!ci:';

describe('the UPIDs of an answer', () => {
  it.each<[string, unknown, string[]]>([
    ['a text', UPID, [UPID]],
    ['a list', [UPID, OTHER, UPID, null, 7, 'done'], [UPID, OTHER]],
    ['a list of objects', [{ vmid: 1, upid: UPID }, { upid: OTHER }], [UPID, OTHER]],
    ['what a console answers', { port: 5900, ticket: 'secret', upid: OTHER }, [OTHER]],
    ['nothing', null, []],
    ['some text', 'OK', []],
    ['a number', 42, []],
    ['what holds one somewhere', { note: UPID }, []],
    ['a text around one', `started ${UPID}`, []],
  ])('in %s', (_what, data, expected) => {
    expect(upidsIn(data)).toEqual(expected);
  });

  it('are bounded', () => {
    const many = Array.from({ length: 2000 }, (_, index) => UPID.replace('ABCD', String(1000 + index)));
    expect(upidsIn(many)).toHaveLength(500);
  });
});

describe('the jobs of a call', () => {
  const started = (method: string, path: string, data: unknown) =>
    startedJobs(
      { cluster: 'a', requestId: 'r', tool: 't', method, path },
      { ...somebody('alice'), id: 'issuer alice' },
      { id: 'entry', startedAt: 5 },
      data,
    );

  it('say whose they are, from which call, and about which guest', () => {
    expect(started('POST', '/nodes/pve1/qemu/101/status/start', UPID)).toEqual([
      {
        cluster: 'a',
        upid: UPID,
        principalId: 'issuer alice',
        subject: 'alice',
        tool: 't',
        requestId: 'r',
        auditId: 'entry',
        method: 'POST',
        path: '/nodes/pve1/qemu/101/status/start',
        guest: 101,
        startedAt: 5,
      },
    ]);
  });

  it('take the guest from the task where the path names none', () => {
    const [of, without] = started('POST', '/nodes/pve1/vzdump', [UPID, OTHER]);
    expect(of?.guest).toBe(100);
    expect(without).not.toHaveProperty('guest');
  });

  it('are none where it was a read', () => {
    expect(started('GET', '/nodes/pve1/tasks', [{ upid: UPID }])).toEqual([]);
  });
});
