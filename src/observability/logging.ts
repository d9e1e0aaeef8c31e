import { type DestinationStream, type Logger, pino } from 'pino';
import { Redaction } from './redaction.ts';
import { currentIds } from './request-context.ts';

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
  destination: DestinationStream = inBatches(pino.destination(2)),
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
      timestamp: isoTime(),
      formatters: { level: (label) => ({ level: label }) },
      mixin: (_line, _level, log) => idsFor(log),
    },
    { write: (line: string) => destination.write(redaction.line(line)) },
  );
}

/** Of lines that wait. */
const MOST_WAITING = 65_536;

/** No longer does a line wait, in milliseconds. */
const LONGEST_WAIT_MS = 40;

/**
 * Writes the lines of some milliseconds together: a call has three of them, and each write to a pipe costs as much as
 * making the line. The end of the process, whatever brings it about, writes what is left; only SIGKILL does not.
 */
export function inBatches(destination: DestinationStream): DestinationStream {
  let waiting = '';
  const flush = (): void => {
    if (waiting === '') return;
    const lines = waiting;
    waiting = '';
    destination.write(lines);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (waiting === '') setTimeout(flush, LONGEST_WAIT_MS).unref();
      waiting += line;
      if (waiting.length >= MOST_WAITING) flush();
    },
  };
}

/** Pino's own `isoTime`, which works out day, hour and minute anew for each line. */
function isoTime(): () => string {
  let second = Number.NaN;
  let start = '';
  return () => {
    const now = Date.now();
    const current = Math.floor(now / 1000);
    if (current !== second) {
      second = current;
      start = `,"time":"${new Date(now).toISOString().slice(0, -'000Z'.length)}`;
    }
    return `${start}${String(now - current * 1000).padStart(3, '0')}Z"`;
  };
}

const BOUND = pino.symbols.chindingsSym as unknown as keyof Logger;

/** The ids of the request that a line belongs to. Where the logger has bound one already, JSON would hold it twice. */
function idsFor(log: Logger): object {
  const ids = currentIds();
  if (ids === undefined) return {};
  if (!String(log[BOUND]).includes('"request_id":')) return ids;
  const { request_id: _bound, ...others } = ids;
  return others;
}
