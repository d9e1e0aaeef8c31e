import type { Properties } from '../../verify.ts';
import { arrays, booleans, choice, integers, texts } from '../declare.ts';
import { integer, optional, storage } from '../method.ts';

/** What vzdump and a backup job both take. */
export const BACKUP_OPTIONS: Properties = {
  ...booleans('all', 'protected', 'quiet', 'remove', 'stdexcludes', 'stop'),
  ...texts('dumpdir', 'exclude', 'fleecing', 'mailto', 'performance', 'pool', 'prune-backups', 'script'),
  ...texts('tmpdir', 'vmid'),
  ...integers('pigz', 'zstd'),
  ...arrays('exclude-path'),
  bwlimit: integer(0),
  compress: choice('0', '1', 'gzip', 'lzo', 'zstd'),
  ionice: integer(0, 8),
  lockwait: integer(0),
  mailnotification: choice('always', 'failure'),
  mode: choice('snapshot', 'suspend', 'stop'),
  'notes-template': { type: 'string', optional: 1, maxLength: 1024, requires: 'storage' },
  'notification-mode': choice('auto', 'legacy-sendmail', 'notification-system'),
  'pbs-change-detection-mode': choice('legacy', 'data', 'metadata'),
  stopwait: integer(0),
  storage: optional(storage),
};

/** Options that name files of the host. */
export const ROOT_OPTIONS = ['dumpdir', 'script', 'tmpdir', 'job-id'];
