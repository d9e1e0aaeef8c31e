import { expect, it } from 'vitest';
import { createLogger } from '../../../src/observability/logging.ts';
import { Redaction } from '../../../src/observability/redaction.ts';
import { inRequest } from '../../../src/observability/request-context.ts';

function logged(write: (logger: ReturnType<typeof createLogger>) => void): string[] {
  const lines: string[] = [];
  write(createLogger(() => 'info', new Redaction(), { write: (line) => void lines.push(line) }));
  return lines;
}

it('a line within a request names it once, whoever bound what before', () => {
  const lines = logged((logger) => {
    const bound = logger.child({ request_id: 'bound' });
    const other = logger.child({ cluster: 'west' });
    inRequest({ requestId: 'r1' }, () => {
      logger.info('bare');
      other.info({ endpoint: 'x' }, 'child');
      bound.info('bound');
      logger.info({ request_id: 'own' }, 'own');
    });
    logger.info('outside');
  });
  expect(lines.map((line) => line.match(/"request_id":"([^"]*)"/g) ?? [])).toEqual([
    ['"request_id":"r1"'],
    ['"request_id":"r1"'],
    ['"request_id":"bound"'],
    ['"request_id":"own"'],
    [],
  ]);
});
