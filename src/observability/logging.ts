import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * The process's logger: JSON lines with ISO times.
 *
 * @param level a pino level, or `silent`
 * @param destination where lines go; standard error by default, because with stdio the other stream is the protocol
 */
export function createLogger(level: string, destination: DestinationStream = pino.destination(2)): Logger {
  return pino(
    {
      level,
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
