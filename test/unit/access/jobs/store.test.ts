import { expect, it } from 'vitest';
import { JobStore } from '../../../../src/access/jobs/store.ts';
import { openState } from '../../../../src/access/state.ts';

it('remembers the processes that follow jobs, until they leave or have long been silent', async () => {
  const state = openState(undefined);
  const followers = () => state.database.prepare('SELECT id, until FROM job_followers ORDER BY id').all();
  const [one, two] = ['one', 'two'].map((name) => new JobStore(state, name));
  await one?.renew(0);
  await two?.renew(5_000);
  await one?.renew(6_000);
  expect(followers()).toEqual([
    { id: 'one', until: 16_000 },
    { id: 'two', until: 15_000 },
  ]);
  // Ten seconds after it ran out a lease is of no use to anybody.
  await two?.renew(26_000);
  expect(followers()).toEqual([{ id: 'two', until: 36_000 }]);
  await two?.leave();
  expect(followers()).toEqual([]);
});
