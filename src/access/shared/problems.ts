import { ConfigError } from '../../config/problems.ts';
import { CallError } from '../../proxmox/errors.ts';

/** An entry does not follow the last one that is known here. */
export class GapError extends Error {}

export function unavailable(cause?: unknown): CallError {
  if (cause instanceof CallError) return cause;
  return new CallError(
    'INTERNAL',
    'What the replicas share can not be changed: Redis does not answer, or takes no writes. Nothing further was sent.',
    {
      hint: 'Reads go on. Repeat the call once Redis is back: what was begun is looked for before anything is sent again.',
      retryable: true,
      cause,
    },
  );
}

export function orUnavailable(error: unknown): never {
  throw unavailable(error);
}

export function unusable(message: string): ConfigError {
  return new ConfigError([{ source: 'environment', field: 'REDIS_URL', message }]);
}

/** An error of Redis bears the command with all that it carried, such as keys that sign: its text alone is logged. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
