import { expect, it } from 'vitest';
import { optionsOf } from '../../../../src/tools/backups/run-backup-job.ts';

it('passes the settings of a job on, objects as text, without what says when and where it runs', () => {
  const job = {
    id: 'nightly',
    type: 'vzdump',
    enabled: 1,
    schedule: '02:00',
    'next-run': 1_800_000_000,
    'repeat-missed': 1,
    node: 'a1',
    comment: 'x',
    all: 0,
    vmid: '100',
    'exclude-path': ['/tmp', '/var/tmp'],
    'prune-backups': { 'keep-last': '3', 'keep-daily': '7' },
    performance: { 'max-workers': 4 },
    'job-id': 'nightly',
  };
  expect(optionsOf(job)).toEqual({
    vmid: '100',
    'exclude-path': ['/tmp', '/var/tmp'],
    'prune-backups': 'keep-last=3,keep-daily=7',
    performance: 'max-workers=4',
  });
  expect(optionsOf({ all: 1, exclude: '110' })).toEqual({ all: 1, exclude: '110' });
});
