import closeWithGrace from 'close-with-grace';
import { Redaction } from '../observability/redaction.ts';
import { printAside } from './output.ts';

/** Above the service's own bound for a drain, so that this one only strikes when something hangs. */
const LIMIT_MS = 15_000;

/**
 * Ends the process in order: on SIGTERM, Ctrl-C and the like after `stop`, with exit code 0; a second signal ends it
 * at once. A failure that nobody caught is printed and ends it with 1.
 *
 * @param others signals with a meaning of their own for the command, such as SIGHUP: these don't end the process
 * @returns `close` ends the process in the same way; `uninstall` takes the handlers back
 */
export function stopOnSignal(
  stop: () => Promise<void>,
  others: readonly 'SIGHUP'[] = [],
  redaction = new Redaction(),
): { close(): void; uninstall(): void } {
  return closeWithGrace(
    {
      delay: LIMIT_MS,
      logger: false,
      // It would turn the exit code of a command that has failed into 0.
      skip: ['beforeExit', ...others],
      onSecondSignal: (signal) => printAside(`Second ${signal}: ending at once.`),
      onTimeout: () => printAside(`Not everything ended within ${LIMIT_MS / 1000} s: ending at once.`),
    },
    async ({ err }) => {
      if (err) printAside(redaction.text(`unexpected failure: ${err.stack ?? err.message}`));
      await stop();
    },
  );
}
