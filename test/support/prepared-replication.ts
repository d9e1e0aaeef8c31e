import { ScheduleBook } from '../../src/access/schedules/book.ts';
import { openState } from '../../src/access/state.ts';
import type { ReplicationJob } from '../../src/tools/between/replication/job.ts';

const TOOL = 'run_cluster_replication';
const JOB: ReplicationJob = {
  ...{ source: 'production', vmid: 103, guest: 'build-01', type: 'qemu' },
  ...{ target: 'disaster-recovery', node: 'dr1', storage: 'local-lvm' },
  ...{
    backupStorage: 'backup-nfs',
    seenAs: 'dr-nfs',
    vmids: [900_000, 900_001],
    keep: 1,
    makesBackup: false,
  },
};

/** Schedules among which everybody has one replication, `prepared`: it runs on the estate that `ToolEstate` prepares. */
export function preparedReplications(): ScheduleBook {
  const book = new ScheduleBook(openState(undefined));
  const of = book.of.bind(book);
  return Object.assign(book, {
    of: (...[principal, isReadOnly]: Parameters<ScheduleBook['of']>) => {
      const own = of(principal, false);
      if (own.find(TOOL, 'prepared') === undefined) {
        const timing = { everyMinutes: 60 };
        // A state of this process is written at once.
        void own.save({ tool: TOOL, name: 'prepared', input: JOB, timing, standing: undefined, dueAt: 0 });
      }
      return of(principal, isReadOnly);
    },
  });
}
