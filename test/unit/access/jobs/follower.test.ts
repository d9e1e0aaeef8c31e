import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { JobFollower, type JobFollowerDeps } from '../../../../src/access/jobs/follower.ts';
import type { Job, StartedJob } from '../../../../src/access/jobs/job.ts';
import type { JobStore } from '../../../../src/access/jobs/store.ts';
import { RecordingCluster } from '../../../support/recording-cluster.ts';

const START = Date.parse('2026-11-21T08:00:00Z');
const DAY_MS = 24 * 60 * 60_000;

beforeEach(() => void vi.useFakeTimers({ now: START }));
afterEach(() => void vi.useRealTimers());

function job(number = 1, startedAt = START): StartedJob {
  const upid = `UPID:pve1:0000000${number}:00112233:66112233:qmstart:100:root@pam:`;
  return { cluster: 'a', upid, startedAt } as StartedJob;
}

/** A follower over a store that notes what it is asked, with when; and a cluster, with when it was asked. */
function followed(changes: Partial<JobFollowerDeps> = {}, reply?: RecordingCluster['reply']) {
  const since = () => Date.now() - START;
  const stored: string[] = [];
  const asked: number[] = [];
  const lines: Record<string, unknown>[] = [];
  const ended: unknown[] = [];
  const left: StartedJob[] = [];
  const note = async (what: string) => void stored.push(`${what} ${since()}`);
  const store: Pick<JobStore, 'renew' | 'leave' | 'adopt'> = {
    renew: () => note('renew'),
    leave: () => note('leave'),
    adopt: async () => {
      void note('adopt');
      return left.splice(0) as Job[];
    },
  };
  const cluster = new RecordingCluster('a');
  cluster.reply = (call) => {
    asked.push(since());
    return reply === undefined ? { status: 'running' } : reply(call);
  };
  const follower = new JobFollower({
    store: store as JobStore,
    clusters: () => [cluster],
    onEnd: async (_job, end) => void ended.push(end),
    onLook: async () => undefined,
    clock: Date.now,
    random: () => 0.5,
    logger: pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    ...changes,
  });
  return { follower, store, stored, asked, lines, ended, left };
}

const milliseconds = (count: number) => vi.advanceTimersByTimeAsync(count);

describe('a follower of jobs', () => {
  it('looks every three seconds for jobs that nobody follows, and says that it is there while it has any', async () => {
    const { follower, stored } = followed();
    follower.start();
    await milliseconds(7000);
    expect(stored.splice(0)).toEqual(['adopt 0', 'adopt 3000', 'adopt 6000']);
    follower.add(job(1));
    follower.add(job(2));
    await milliseconds(6000);
    expect(stored).toEqual(['renew 7000', 'adopt 9000', 'renew 9000', 'adopt 12000', 'renew 12000']);
    await follower.close();
    await follower.close();
    expect(stored.slice(5)).toEqual(['leave 13000']);
  });

  it('that never began neither asks nor says anything', async () => {
    const { follower, stored, asked } = followed();
    follower.add(job());
    await milliseconds(60_000);
    await follower.close();
    expect([stored, asked, vi.getTimerCount()]).toEqual([[], [], 0]);
  });

  it('says that it follows what another process left, and how much', async () => {
    const { follower, lines, left, asked } = followed();
    follower.start();
    expect(lines).toEqual([]);
    left.push(job(1), job(2));
    await milliseconds(4000);
    expect(lines).toMatchObject([{ jobs: 2, msg: 'jobs are followed again' }]);
    expect(asked).toEqual([4000, 4000]);
  });

  it.each([
    [0, 800],
    [0.5, 1000],
    [1, 1200],
  ])('asks first after a second, a fifth more or less: %s', async (random, at) => {
    const { follower, asked } = followed({ random: () => random });
    follower.start();
    follower.add(job());
    await milliseconds(2000);
    expect(asked).toEqual([at]);
  });

  it('asks after five seconds again where an end could not be kept, and says so', async () => {
    let failures = 0;
    const onEnd = async () => {
      if (failures++ === 0) throw new Error('locked');
    };
    const { follower, asked, lines } = followed({ onEnd }, () => ({ status: 'stopped', exitstatus: 'OK' }));
    follower.start();
    follower.add(job());
    await milliseconds(5900);
    expect(asked).toEqual([1000]);
    expect(lines).toMatchObject([
      { msg: 'a job could not be followed', upid: job().upid, err: { message: 'locked' } },
    ]);
    await milliseconds(60_000);
    expect(asked).toEqual([1000, 6000]);
  });

  it('gives a job up that could not be asked about for more than 30 days, and not before', async () => {
    const { follower, ended } = followed({ clusters: () => [] });
    follower.start();
    follower.add(job(1, START + 1000 - 30 * DAY_MS));
    await milliseconds(1000);
    expect(ended).toEqual([]);
    expect(follower.problemOf(job(1))).toBe('The cluster a is not configured any more.');
    expect(follower.problemOf(job(2))).toBeUndefined();
    await milliseconds(5000);
    const unknown = 'It could not be asked for 30 days. The cluster a is not configured any more.';
    expect(ended).toEqual([{ unknown }]);
  });

  it('waits at its end for questions under way, ends nothing by them, and forgets its jobs', async () => {
    let answer = (): void => undefined;
    const { follower, ended, asked } = followed({}, ({ signal }) => {
      return new Promise((_, reject) => {
        answer = () => reject(signal?.reason);
      });
    });
    follower.start();
    follower.add(job(1, START - 31 * DAY_MS));
    await milliseconds(1000);
    expect(asked).toEqual([1000]);
    let isClosed = false;
    const closing = follower.close().then(() => {
      isClosed = true;
    });
    await milliseconds(100);
    expect(isClosed).toBe(false);
    answer();
    await closing;
    expect(ended).toEqual([]);
    expect(follower.problemOf(job(1))).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('says once that the state can not be kept, and again once it is another problem or a new one', async () => {
    const { follower, store, lines } = followed();
    let problem: string | undefined = 'locked';
    store.adopt = async () => {
      if (problem !== undefined) throw new Error(problem);
      return [];
    };
    follower.start();
    const said = async () => {
      await milliseconds(7000);
      return lines.splice(0).map((line) => [line.problem, line.msg]);
    };
    const text = 'the state of jobs can not be kept';
    expect(await said()).toEqual([['locked', text]]);
    problem = 'full';
    expect(await said()).toEqual([['full', text]]);
    problem = undefined;
    expect(await said()).toEqual([]);
    problem = 'full';
    expect(await said()).toEqual([['full', text]]);
    await follower.close();
  });
});
