import { expect, it } from 'vitest';
import { JobStore } from '../../../../src/access/jobs/store.ts';
import { openState } from '../../../../src/access/state.ts';

it('remembers the processes that follow jobs, until they leave or have long been silent', () => {
  const { database } = openState(undefined);
  const followers = () => database.prepare('SELECT id, until FROM job_followers ORDER BY id').all();
  const [one, two] = ['one', 'two'].map((name) => new JobStore(database, name));
  one?.renew(0);
  two?.renew(5_000);
  one?.renew(6_000);
  expect(followers()).toEqual([
    { id: 'one', until: 16_000 },
    { id: 'two', until: 15_000 },
  ]);
  // Ten seconds after it ran out a lease is of no use to anybody.
  two?.renew(26_000);
  expect(followers()).toEqual([{ id: 'two', until: 36_000 }]);
  two?.leave();
  expect(followers()).toEqual([]);
});
