import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openAuditLog } from '../../../src/audit/audit-log.ts';
import { AuditKey } from '../../../src/audit/chain.ts';
import { verifyRecord } from '../../../src/audit/verify.ts';
import { call, freshRecord } from '../../support/audit-record.ts';

const KEY = Buffer.from('k'.repeat(32));

it('the audit record makes a chain of whatever comes in whatever order', async () => {
  const step = fc.record({
    what: fc.constantFrom('write', 'read', 'end', 'task', 'wait', 'reopen'),
    text: fc.string({ unit: 'binary', maxLength: 30 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 3000 }),
      async (steps, maxBytes) => {
        const path = join(freshRecord(), '..', 'run', 'audit.jsonl');
        let log = await openAuditLog({ path, maxBytes, key: KEY });
        const begun: Promise<void>[] = [];
        let calls = 0;
        for (const { what, text } of steps) {
          if (what === 'write' || what === 'read') {
            calls++;
            begun.push(
              log.begin(call(text, { write: what === 'write', subject: text, parameters: { [text]: text } })),
            );
          } else if (what === 'end') void log.end({ id: text, outcome: text, durationMs: 1 });
          else if (what === 'task') void log.task({ id: text, upid: text, taskStatus: text });
          else if (what === 'wait') await Promise.all(begun);
          else {
            await log.close();
            log = await openAuditLog({ path, maxBytes, key: KEY });
          }
        }
        await log.close();
        await Promise.all(begun);
        const report = await verifyRecord({ path, keys: [new AuditKey(KEY)] });
        expect(report).toMatchObject({ finding: undefined, calls, keyedLines: report.lines });
      },
    ),
    { numRuns: 60 },
  );
});
