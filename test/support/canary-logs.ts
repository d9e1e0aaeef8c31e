import type { DestinationStream, LoggerOptions, pino } from 'pino';
import type { createLogger } from '../../src/observability/logging.ts';
import { canaryWatch } from './canary-watch.ts';

type Pino = typeof pino;
type CreateLogger = typeof createLogger;

/** Set while the process's own logger is made: its lines are looked at behind its redaction. */
const own = { isMade: false };

/** pino whose every logger writes all levels to the watch, and to its own destination what it would have. */
export function watchedPino(original: Pino): Pino {
  const watched = (options: LoggerOptions = {}, destination?: DestinationStream) => {
    if (own.isMade) return destination ? original(options, destination) : original(options);
    const { level = 'info' } = options;
    const least = original.levels.values[level] ?? Number.POSITIVE_INFINITY;
    return original(
      { ...options, level: 'trace' },
      passing(() => least, original, destination),
    );
  };
  return Object.assign(watched, original) as Pino;
}

/** The process's logger, at trace level whatever its setting says. */
export function watchedCreateLogger(
  original: CreateLogger,
  levels: () => Promise<Pino>,
): Promise<CreateLogger> {
  return levels().then((plain) => (level, redaction, destination = { write: toStandardError }) => {
    own.isMade = true;
    try {
      const least = (): number => plain.levels.values[level()] ?? Number.POSITIVE_INFINITY;
      return original(() => 'trace', redaction, passing(least, plain, destination));
    } finally {
      own.isMade = false;
    }
  });
}

function passing(least: () => number, { levels }: Pino, destination?: DestinationStream): DestinationStream {
  return {
    write: (line) => {
      canaryWatch.output('log', line);
      const level = /"level":(?:(\d+)|"(\w+)")/.exec(line);
      const value = level?.[1] === undefined ? levels.values[level?.[2] ?? ''] : Number(level[1]);
      if (destination !== undefined && (value ?? 0) >= least()) destination.write(line);
    },
  };
}

function toStandardError(line: string): void {
  process.stderr.write(line);
}
