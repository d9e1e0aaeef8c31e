import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formsOf } from '../../../src/observability/encodings.ts';
import { createLogger } from '../../../src/observability/logging.ts';
import { Redaction } from '../../../src/observability/redaction.ts';

const SECRET = 'c4n4ry "quoted"\nsecret-0001';

function logging(level = 'trace', redaction = new Redaction()) {
  redaction.keep([SECRET]);
  const lines: string[] = [];
  const log = createLogger(() => level, redaction, { write: (line: string) => void lines.push(line) });
  return { log, lines };
}

function expectClean(lines: readonly string[], count: number): void {
  expect(lines).toHaveLength(count);
  for (const line of lines) {
    expect(line.endsWith('\n')).toBe(true);
    expect(line.trimEnd()).not.toContain('\n');
    JSON.parse(line);
    for (const form of formsOf(SECRET)) expect(line).not.toContain(form);
  }
}

describe('every line', () => {
  it('is without secrets, wherever they stand in it', () => {
    const { log, lines } = logging();
    const cause = Object.assign(new Error(`cause ${SECRET}`), { details: { deep: [SECRET] } });
    log.info(SECRET);
    log.info(`in a text: ${SECRET}`);
    log.info({ deep: { er: [{ still: `x${SECRET}x` }] } }, 'as a field');
    log.info({ [SECRET]: 1 }, 'as a name');
    log.error({ err: new Error(`message ${SECRET}`, { cause }) }, 'as an error');
    log.error(new Error(SECRET, { cause: SECRET }));
    log.child({ bound: SECRET }).trace('in a child');
    log.warn({ b: Buffer.from(SECRET).toString('base64'), u: encodeURIComponent(SECRET) }, 'encoded');
    log.debug('with a format %s and %j', SECRET, { a: SECRET });
    expectClean(lines, 9);
  });

  it('stays JSON with any data in it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const { log, lines } = logging();
        log.info({ value, token: text, password: value, text }, `password=${text}`);
        expectClean(lines, 1);
      }),
    );
  });

  it('loses what only looks like a secret, and the values of secret names', () => {
    const { log, lines } = logging();
    log.info({ authorization: 'x', headers: { a: 'b' }, token: 'c4n4ry', cipassword: 'c4n4ry' }, 'names');
    log.info('line\npassword=c4n4ry');
    expect(lines.join('')).not.toContain('c4n4ry');
    expect(lines[1]).toContain('line\\npassword=[redacted]');
  });

  it('without secrets is written as it is', () => {
    const { log, lines } = logging();
    log.info({ cluster: 'production', duration_ms: 3, risks: ['secret'] }, 'tool call');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      cluster: 'production',
      duration_ms: 3,
      risks: ['secret'],
      msg: 'tool call',
    });
  });
});

it('keeps to the level that is asked for', () => {
  const { log, lines } = logging('warn');
  log.info('no');
  log.warn('yes');
  expect(lines).toHaveLength(1);
  expect(logging('silent').lines).toEqual([]);
});
