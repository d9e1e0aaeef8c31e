import { type DestinationStream, type Logger, pino } from 'pino';
import { Redaction } from './redaction.ts';

/**
 * The process's logger: JSON lines with ISO times. Every line goes through the redaction as a whole, so that it does
 * not matter where in it a secret stands: message, field, error, cause or stack.
 *
 * @param level gives a pino level, or `silent`; asked for each line, because a child logger of pino keeps the level
 *   that its parent had when it was made, and a reload may change it
 * @param redaction that of the process; one that knows only what secrets look like where absent
 * @param destination where lines go; standard error by default, because with stdio the other stream is the protocol
 */
export function createLogger(
  level: () => string,
  redaction: Redaction = new Redaction(),
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
    },
    { write: (line: string) => destination.write(redaction.line(line)) },
  );
}
