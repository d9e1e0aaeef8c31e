import { expect } from 'vitest';
import { DEMO_ESTATE } from '../../../src/simulator/estate.ts';
import { largeEstate } from '../../../src/simulator/large-estate.ts';
import { bounded, expectEnding, faultTest, useSimulator, warm } from '../../support/fault-cases.ts';

const GUESTS = 10_000;
const staging = DEMO_ESTATE.filter(({ name }) => name === 'staging');
const simulated = useSimulator({ clusters: [...largeEstate({ guests: GUESTS, nodes: 3 }), ...staging] });
const limits = { limits: { deadlineMs: 10_000 } };

faultTest(
  simulated,
  'an inventory of 10,000 guests is bounded, and read to its end page by page',
  async (estate) => {
    await warm(estate);
    const cluster = estate.target.name;
    const first = await bounded(estate, () => estate.call('get_cluster_resources', { cluster, type: 'lxc' }));
    expectEnding(first, {}, estate);
    expect(JSON.stringify(first).length).toBeLessThan(100_000);

    const ids = new Set<unknown>();
    let cursor: unknown;
    do {
      const page = await estate.call('get_cluster_resources', {
        cluster,
        type: 'lxc',
        fields: ['id'],
        limit: 1000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const { id } of page.resources as { id: string }[]) ids.add(id);
      cursor = page.next_cursor;
    } while (cursor !== undefined);
    expect(ids.size).toBe(first.total);
    expect(ids.size).toBeGreaterThan(GUESTS / 4);
    expect(estate.writes).toEqual([]);
  },
  limits,
);

faultTest(
  simulated,
  'the raw list of 10,000 guests is cut, and says how to go on',
  async (estate) => {
    await warm(estate);
    const raw = await bounded(estate, () => estate.ask('GET', '/cluster/resources'));
    expectEnding(raw, {}, estate);
    expect(JSON.stringify(raw).length).toBeLessThan(60_000);
    expect(raw.truncated).toMatchObject({
      total: expect.any(Number),
      next_offset: (raw.data as unknown[]).length,
    });
  },
  limits,
);

faultTest(
  simulated,
  'an inventory over the bound of a body',
  async (estate) => {
    const answer = await bounded(estate, () => estate.ask('GET', '/cluster/resources'));
    const ending = {
      code: 'UPSTREAM_ERROR',
      retryable: false,
      says: ['larger than', 'Ask for less'],
      names: [0],
    } as const;
    expectEnding(answer, ending, estate);
    expectEnding(await estate.ask('GET', '/nodes'), {}, estate);
  },
  { limits: { ...limits.limits, maxAnswerBytes: 256 * 1024 } },
);
