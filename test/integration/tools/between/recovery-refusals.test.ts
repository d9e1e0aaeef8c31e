import { describe, expect, it } from 'vitest';
import { allWrites, RECOVERY_ESTATE, recoverySite, setStatus } from '../../../support/recovery-estate.ts';

type Site = Awaited<ReturnType<typeof recoverySite>>;
type Options = Parameters<typeof recoverySite>[0];

interface Refusal {
  what: string;
  tool?: 'failover_plan' | 'failover_run' | 'failback';
  args?: object;
  options?: () => Options;
  prepare?: (site: Site) => Promise<void> | void;
  code: string;
  message: RegExp;
}

/** The estate with one storage per cluster and none in common. */
function apart(): Options {
  const clusters = structuredClone(RECOVERY_ESTATE);
  for (const { storages } of clusters)
    for (const storage of storages ?? [])
      if (storage.storage === 'nfs-away') storage.options = { server: '192.0.2.99', export: '/other' };
  return { simulator: { clusters } };
}

const failedOver = async ({ applied }: Site, args: object = { tag: 'back' }) => {
  await applied('failover_run', { cluster: 'home', dry_run: false, ...args });
};

const REFUSALS: Refusal[] = [
  {
    what: 'a cluster without a fallback',
    args: { cluster: 'away' },
    code: 'INVALID_ARGUMENTS',
    message: /away has no fallback cluster/,
  },
  {
    what: 'a cluster as its own fallback',
    args: { to: 'home' },
    code: 'INVALID_ARGUMENTS',
    message: /home can't take its own guests/,
  },
  {
    what: 'a tag that no guest has',
    args: { tag: 'nope' },
    code: 'NOT_FOUND',
    message: /No guest of home fits: tag nope/,
  },
  { what: 'an unknown target', args: { to: 'moon' }, code: 'CLUSTER_NOT_FOUND', message: /moon/ },
  {
    what: 'guests that run',
    prepare: ({ home }) => setStatus(home, 'web', 'running'),
    code: 'CONFLICT',
    message: /1 thing in the way: \(1\) 1 guest of home still runs: web \(100\)\. Shut them down first/,
  },
  {
    what: 'clusters without a common storage, and says everything at once',
    options: apart,
    code: 'CONFLICT',
    message: /see no common storage for backups.*No guest can be brought over/,
  },
  {
    what: 'a cluster that is down and of which nobody remembers where its backups are',
    prepare: ({ home }) => home.stop(),
    code: 'CONFLICT',
    message: /no earlier failover_plan remembers which storage of away holds its backups/,
  },
  {
    what: 'a pool of a cluster that is down and was never planned for',
    args: { pool: 'shop', backup_storage: 'nfs-away' },
    prepare: ({ home }) => home.stop(),
    code: 'CONFLICT',
    message: /in which pool is not known/,
  },
  {
    what: 'a storage that holds no backups',
    args: { backup_storage: 'local-lvm' },
    code: 'INVALID_ARGUMENTS',
    message: /no storage "local-lvm" that holds backups/,
  },
  {
    what: 'a scope of which nothing can come back',
    args: { leave_out: ['db', 'web', 'cache'] },
    code: 'CONFLICT',
    message: /No guest can be brought over/,
  },
  {
    what: 'the handle of another plan',
    args: { tag: 'back', handle: 'guessed' },
    code: 'APPROVAL_REQUIRED',
    message: /handle is not known/,
  },
  {
    what: 'a caller who may only read',
    options: () => ({ scope: 'proxmox:read' }),
    code: 'POLICY_DENIED',
    message: /.*/,
  },
  {
    what: 'anyone while the service only reads',
    options: () => ({ readOnly: true }),
    code: 'POLICY_DENIED',
    message: /.*/,
  },
  {
    what: 'to bring home what nobody brought over',
    tool: 'failback',
    code: 'NOT_FOUND',
    message: /No failover from home to away by this caller has guests/,
  },
  {
    what: 'to bring home guests that are not there',
    tool: 'failback',
    args: { guests: ['nobody'] },
    code: 'NOT_FOUND',
    message: /away has no guest "nobody"/,
  },
  {
    what: 'to bring home what runs there again',
    tool: 'failback',
    prepare: async (site) => {
      await failedOver(site);
      setStatus(site.home, 'db', 'running');
    },
    code: 'CONFLICT',
    message: /On home db \(101\) still runs/,
  },
  {
    what: 'to bring home while home is down',
    tool: 'failback',
    prepare: async (site) => {
      await failedOver(site);
      await site.home.stop();
    },
    code: 'CLUSTER_UNREACHABLE',
    message: /can't be reached/,
  },
  {
    what: 'to replace an original that is protected',
    tool: 'failback',
    args: { replace: true },
    prepare: async (site) => {
      await failedOver(site);
      const original = site.guestOf(site.home, 'db');
      if (original) original.config.protection = 1;
    },
    code: 'CONFLICT',
    message: /No guest can go home/,
  },
  {
    what: 'to bring home over a storage that home does not see',
    tool: 'failback',
    args: { backup_storage: 'local' },
    prepare: (site) => failedOver(site),
    code: 'CONFLICT',
    message: /local of away is no storage that home sees, too\. These are: nfs-away/,
  },
];

describe('nothing is sent', () => {
  it.each(REFUSALS)('for $what', async ({ tool = 'failover_run', args, options, prepare, code, message }) => {
    const site = await recoverySite(options?.());
    await prepare?.(site);
    for (const { requests } of site.simulator.clusters) requests.length = 0;
    const error = await site.refused(tool, { cluster: 'home', dry_run: false, ...args });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(allWrites(site.simulator)).toEqual([]);
  });
});
