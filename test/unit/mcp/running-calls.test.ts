import { describe, expect, it } from 'vitest';
import { type EnterCluster, RunningCalls } from '../../../src/mcp/running-calls.ts';
import type { CallError } from '../../../src/proxmox/errors.ts';

const LIMITS = { perPrincipal: 6, perPrincipalAndCluster: 4, perCluster: 10 };

function calls(limits = LIMITS) {
  const running = new RunningCalls(limits);
  const ends: (() => void)[] = [];
  /** Begins a call that hangs on the clusters. @returns how it was refused, or undefined while it runs */
  async function begin(principal: string, ...clusters: string[]): Promise<CallError | undefined> {
    let refusal: CallError | undefined;
    const work = running.run(principal, async (enter) => {
      for (const cluster of clusters) enter(cluster);
      await new Promise<void>((resolve) => ends.push(resolve));
    });
    work.catch((error: CallError) => {
      refusal = error;
    });
    await new Promise(setImmediate);
    return refusal;
  }
  async function endAll(): Promise<void> {
    for (const end of ends.splice(0)) end();
    await running.settled(1000);
  }
  return { running, begin, endAll };
}

describe('RunningCalls', () => {
  it('refuses the call of a principal that is one too many, with the time to wait', async () => {
    const { begin } = calls();
    for (let call = 0; call < 6; call++) expect(await begin('alice')).toBeUndefined();
    expect((await begin('alice'))?.toBody()).toEqual({
      code: 'RATE_LIMITED',
      message: '6 calls of this principal run already; nothing was sent.',
      hint: 'Wait for some of them to end, then repeat.',
      retryable: true,
      retry_after_seconds: 5,
    });
    expect(await begin('bob')).toBeUndefined();
  });

  it('leaves a principal room for other clusters where one hangs', async () => {
    const { begin } = calls();
    for (let call = 0; call < 4; call++) expect(await begin('alice', 'hung')).toBeUndefined();
    const refused = await begin('alice', 'hung');
    expect([refused?.code, refused?.cluster]).toEqual(['RATE_LIMITED', 'hung']);
    expect(await begin('alice', 'well')).toBeUndefined();
    expect(await begin('bob', 'hung')).toBeUndefined();
  });

  it('bounds the calls on a cluster over all principals, and no other cluster suffers', async () => {
    const { begin, endAll } = calls();
    for (const principal of ['a', 'b', 'c', 'd', 'e']) {
      for (let call = 0; call < 2; call++) expect(await begin(principal, 'hung')).toBeUndefined();
    }
    expect((await begin('f', 'hung'))?.message).toBe(
      '10 calls are at work on hung already; nothing was sent to it.',
    );
    expect(await begin('f', 'well')).toBeUndefined();
    await endAll();
    expect(await begin('f', 'hung')).toBeUndefined();
  });

  it('takes one place on a cluster for a call, however often it asks', async () => {
    const { begin } = calls();
    for (let call = 0; call < 4; call++) {
      expect(await begin('alice', ...Array.from({ length: 50 }, () => 'a'))).toBeUndefined();
    }
    expect((await begin('alice', 'a'))?.code).toBe('RATE_LIMITED');
  });

  it('gives every place back, also of calls that failed or were refused on another cluster', async () => {
    const { running, begin, endAll } = calls();
    for (let round = 0; round < 50; round++) {
      await running.run('alice', async (enter) => enter('a')).catch(() => undefined);
      await running
        .run('alice', async (enter) => {
          enter('a');
          throw new Error('failed');
        })
        .catch(() => undefined);
      for (let call = 0; call < 4; call++) expect(await begin('alice', 'full')).toBeUndefined();
      expect((await begin('alice', 'a', 'full'))?.cluster).toBe('full');
      await endAll();
    }
    for (let call = 0; call < 4; call++) expect(await begin('alice', 'a')).toBeUndefined();
  });

  it('takes no place for what a call left running behind its end', async () => {
    const { running, begin } = calls();
    const left: EnterCluster[] = [];
    await running.run('alice', async (enter) => void left.push(enter));
    for (let late = 0; late < 20; late++) left[0]?.('a');
    for (let call = 0; call < 4; call++) expect(await begin('alice', 'a')).toBeUndefined();
  });

  it('keeps principals apart whatever their ids and the clusters are named', async () => {
    const { begin } = calls({ ...LIMITS, perPrincipalAndCluster: 1 });
    expect(await begin('b\na', 'x')).toBeUndefined();
    expect(await begin('a', 'x')).toBeUndefined();
    expect(await begin('x', 'a')).toBeUndefined();
    expect(await begin('b', 'x')).toBeUndefined();
  });

  it('by itself lets no principal take more than a quarter of a cluster', async () => {
    const running = new RunningCalls();
    const hang = new Promise<never>(() => undefined);
    let entered = 0;
    const attempts = Array.from({ length: 200 }, () =>
      running.run('alice', async (enter) => {
        enter('a');
        entered += 1;
        await hang;
      }),
    );
    for (const attempt of attempts) attempt.catch(() => undefined);
    await new Promise(setImmediate);
    expect(entered).toBe(64);
    await expect(running.run('bob', async (enter) => enter('a'))).resolves.toBeUndefined();
  });
});
