/** Exit codes: the same meaning in every command. */
export const EXIT = {
  failed: 1,
  /** A mistake on the command line or in the configuration. */
  usage: 2,
  /** `call`: the service gave no answer, or refused the token. */
  noService: 3,
  /** Ended by Ctrl-C, as shells count it. */
  interrupted: 130,
} as const;

/** A failure with an answer for the person at the shell: what happened, and in `fix` what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  readonly fix: string | undefined;

  constructor(message: string, options: { fix?: string; exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.fix = options.fix;
  }
}

/** A mistake in how a command was called. */
export function usageError(message: string, fix?: string): CliError {
  return new CliError(message, { exitCode: EXIT.usage, ...(fix === undefined ? {} : { fix }) });
}
