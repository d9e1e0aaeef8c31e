import { openAuditLog } from '../../src/audit/audit-log.ts';

/** A process to be killed: `node audit-writer.ts PATH MAX_BYTES`. Says `begin ID` and `end ID` once that is recorded. */
const [path = '', maxBytes = ''] = process.argv.slice(2);
const log = await openAuditLog({ path, maxBytes: Number(maxBytes) });

async function makeCalls(caller: number): Promise<void> {
  for (let index = 0; ; index++) {
    const id = `${process.pid}.${caller}.${index}`;
    const write = index % 2 === 0;
    await log.begin({
      id,
      requestId: id,
      write,
      subject: 'alice',
      credential: 'key:1',
      door: 'http',
      tool: 'stop_guest',
      cluster: 'production',
      selectedBy: 'name',
      method: write ? 'POST' : 'GET',
      path: '/nodes/pve1/qemu/100/status/stop',
      parameters: { note: 'x'.repeat(index % 900) },
      risks: ['change'],
      decision: 'allowed',
      rule: 'role operator',
    });
    // A read is recorded with its end at the latest: its begin is only queued.
    if (write) process.stdout.write(`begin ${id}\n`);
    await log.end({ id, outcome: 'ok', durationMs: 1 });
    process.stdout.write(write ? `end ${id}\n` : `begin ${id}\nend ${id}\n`);
  }
}

await Promise.all(Array.from({ length: 32 }, (_, caller) => makeCalls(caller)));
