import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '../config/environment.ts';
import { CliError } from './failure.ts';

/**
 * Writes a file that holds secrets, through a draft beside it and a rename: whoever reads sees the old content or the
 * new one, never a half, and a failure leaves the old one. A link stays a link. What is new gets mode 600; what was
 * there keeps its owner, and loses the bits of group and others.
 *
 * @param fix what the person can do where it can't be written
 * @throws CliError
 */
export function writeSecretly(path: string, text: string, fix: string): void {
  const target = existsSync(path) ? realpathSync(path) : path;
  const draft = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    mkdirSync(dirname(target), { recursive: true });
    const before = statSync(target, { throwIfNoEntry: false });
    // A rename asks the folder alone: a file that is meant to be read-only would be replaced all the same.
    if (before !== undefined) accessSync(target, constants.W_OK);
    writeDraft(draft, text, before);
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new CliError(`${path} can't be written (${errorCode(error)}).`, { fix, cause: error });
  }
  syncFolder(dirname(target));
}

function writeDraft(draft: string, text: string, before: Stats | undefined): void {
  const file = openSync(draft, 'wx', 0o600);
  try {
    // What root writes stays readable for the service that owns the file.
    if (before !== undefined && before.uid !== process.getuid?.()) fchownSync(file, before.uid, before.gid);
    fchmodSync(file, before === undefined ? 0o600 : (before.mode & 0o600) | 0o400);
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes the rename last over a power cut. Windows opens no folders; some network file systems sync none. */
function syncFolder(folder: string): void {
  try {
    const file = openSync(folder, 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // The file itself is written and synced.
  }
}
