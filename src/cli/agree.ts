import { CliError, EXIT, usageError } from './failure.ts';
import type { Streams } from './init-questions.ts';

/**
 * Asks whether something is meant, and returns where it is. `No` is the proposed answer.
 *
 * @param refused what is said after a no
 * @throws CliError for no, for Ctrl-C, and where there is no terminal to ask on
 */
export async function agree(
  message: string,
  streams: Streams = {},
  refused = 'Nothing was written.',
): Promise<void> {
  if (streams.input === undefined && !(process.stdin.isTTY && process.stdout.isTTY)) {
    throw usageError(`${message} There is no terminal to ask on.`, 'If that is meant, add --yes.');
  }
  const { confirm, isCancel } = await import('@clack/prompts');
  const answer = await confirm({ message, initialValue: false, ...streams });
  if (answer === true) return;
  throw new CliError(refused, {
    exitCode: isCancel(answer) ? EXIT.interrupted : EXIT.failed,
  });
}
