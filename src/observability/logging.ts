import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * The process's logger: JSON lines with ISO times.
 *
 * @param level gives a pino level, or `silent`; asked for each line, because a child logger of pino keeps the level
 *   that its parent had when it was made, and a reload may change it
 * @param destination where lines go; standard error by default, because with stdio the other stream is the protocol
 */
export function createLogger(
  level: () => string,
  destination: DestinationStream = pino.destination(2),
): Logger {
  return pino(
    {
      level: 'trace',
      hooks: {
        logMethod(line, log, value) {
          if (value >= (pino.levels.values[level()] ?? Number.POSITIVE_INFINITY)) log.apply(this, line);
        },
      },
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // The last net: nothing logs a header on purpose, and if something does, the secret still stays in.
      redact: {
        paths: ['*.authorization', '*.Authorization', '*.cookie', '*.headers', 'headers', 'token', '*.token'],
        censor: '[redacted]',
      },
    },
    destination,
  );
}
