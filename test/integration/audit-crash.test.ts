import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openAuditLog } from '../../src/audit/audit-log.ts';
import { verifyRecord } from '../../src/audit/verify.ts';
import { filesBeside, freshRecord, linesIn } from '../support/audit-record.ts';

const WRITER = fileURLToPath(new URL('../support/audit-writer.ts', import.meta.url));

interface Writer {
  child: ChildProcess;
  /** What it said was done, line by line: `begun ID`, `ended ID`. */
  said(): string[];
  ended: Promise<void>;
}

/** A process that makes calls as fast as it can, and says of each what the record has taken. */
function writer(path: string, maxBytes: number): Writer {
  const child = spawn(process.execPath, [WRITER, path, String(maxBytes)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ended, said: () => output.split('\n').slice(0, -1) };
}

function recorded(path: string): Set<string> {
  const lines = filesBeside(path).flatMap((name) => linesIn(resolve(dirname(path), name)));
  return new Set(
    lines.map((line) => {
      const { kind, id } = JSON.parse(line) as Record<string, unknown>;
      return `${kind} ${id}`;
    }),
  );
}

describe('kill -9 under load', () => {
  it.each([1, 2, 3])(
    'leaves no call unrecorded that was let through or has ended (round %i)',
    async (round) => {
      const path = freshRecord();
      let calls = 0;
      for (let life = 0; life < 3; life++) {
        const { child, said, ended } = writer(path, 100_000 * round);
        await expect
          .poll(() => said().length, { timeout: 15_000, interval: 5 })
          .toBeGreaterThan(200 + 150 * life);
        child.kill('SIGKILL');
        await ended;
        const done = said();
        expect(done.filter((line) => !/^(?:begin|end) \S+$/.test(line))).toEqual([]);

        const log = await openAuditLog({ path });
        await log.close();
        const known = recorded(path);
        expect(done.filter((line) => !known.has(line))).toEqual([]);
        const report = await verifyRecord({ path });
        expect(report.finding).toBeUndefined();
        // In flight were at most as many as it makes at once.
        expect(report.unfinished.total).toBeLessThanOrEqual(32 * (life + 1));
        expect(report.calls).toBeGreaterThan(calls);
        calls = report.calls;
      }
    },
  );
});

describe('two processes on one record', () => {
  it('has the second one refused, until the first is gone however it went', async () => {
    const path = freshRecord();
    const first = writer(path, 1_000_000);
    await expect.poll(() => first.said().length, { timeout: 15_000 }).toBeGreaterThan(10);
    const second = writer(path, 1_000_000);
    await second.ended;
    expect(second.said().join('\n')).toContain('Another process writes this audit record');
    await expect(openAuditLog({ path })).rejects.toThrow('Another process');
    first.child.kill('SIGKILL');
    await first.ended;
    const log = await openAuditLog({ path });
    await log.close();
    expect((await verifyRecord({ path })).finding).toBeUndefined();
    expect(readFileSync(`${path}.lock`)).toHaveLength(0);
  });
});
