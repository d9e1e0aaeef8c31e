/** The record can't take a line: the call must not leave. Its message holds no parameter and no path of the machine. */
export class AuditError extends Error {
  override readonly name = 'AuditError';
}

/** `ENOSPC` and its like; never the error's own text, which holds paths. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EIO: 'the disk reports an error',
  EROFS: 'the file system is read-only',
  EACCES: 'the service may not write there',
  EPERM: 'the service may not write there',
  ENOENT: 'its folder is gone',
  ENOTDIR: 'a part of its path is no folder',
  EISDIR: 'it is a folder',
  EMFILE: 'too many files are open',
  EFBIG: 'the file is too large',
};

/** Why a file operation failed, in words: `the disk is full (ENOSPC)`. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code in WORDS ? `${WORDS[code]} (${code})` : `the file system failed (${code})`;
}
