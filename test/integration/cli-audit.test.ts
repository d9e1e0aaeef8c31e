import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAuditLog } from '../../src/audit/audit-log.ts';
import { call, freshRecord, linesIn, opened } from '../support/audit-record.ts';
import { CANARY } from '../support/config-folder.ts';
import { CliProcess, runCli } from './cli-process.ts';

const KEY = `${CANARY}-of-more-than-32-bytes`;

async function record(key?: Buffer): Promise<string> {
  const path = freshRecord();
  const clock = () => Date.UTC(2026, 10, 21, 8);
  const log = await openAuditLog({ path, clock, ...(key === undefined ? {} : { key }) });
  await log.begin(
    call('c1', {
      client: 'claude',
      matched: 'prod-*',
      selectedBy: 'pattern',
      approval: '#7 by bob',
      risks: ['destroy'],
    }),
  );
  await log.end({
    id: 'c1',
    outcome: 'ok',
    status: 200,
    upid: 'UPID:pve1:1:',
    taskStatus: 'OK',
    durationMs: 12,
  });
  await log.begin(call('c2', { subject: 'mallory\u001b[2J\u202e', method: 'GET', path: '/nodes' }));
  await log.close();
  return path;
}

describe('audit verify', () => {
  it('says that all is well, which calls have no end, and the head', async () => {
    const file = await record();
    const { code, stdout } = await runCli(['audit', 'verify'], { env: { AUDIT_FILE: file } });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^The record is as it was written: 4 lines in 1 file, 2 calls\.\n {2}1 call without an end/,
    );
    const [, head = ''] = /\nHead: (4:[0-9a-f]{64})\n$/.exec(stdout) ?? [];
    const { hash } = JSON.parse(linesIn(file).at(-1) ?? '') as { hash: string };
    expect(head).toBe(`4:${hash}`);
    expect((await runCli(['audit', 'verify', '--file', file, '--head', head])).code).toBe(0);

    writeFileSync(
      file,
      linesIn(file)
        .slice(0, -1)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect((await runCli(['audit', 'verify', '--file', file])).code).toBe(0);
    const cut = await runCli(['audit', 'verify', '--file', file, '--head', head]);
    expect(cut.code).toBe(1);
    expect(cut.stdout).toMatch(/^CUT .*audit\.jsonl:3\n.*its end was cut off/);
  });

  it('names the line that was altered, for people and for machines', async () => {
    const file = await record();
    writeFileSync(file, readFileSync(file, 'utf8').replace('/status/stop', '/status/st0p'));
    const text = await runCli(['audit', 'verify', '--file', file]);
    expect(text.code).toBe(1);
    expect(text.stdout).toContain(`ALTERED ${file}:2\n`);
    const json = await runCli(['audit', 'verify', '--file', file, '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      finding: { damage: 'altered', file, line: 2 },
      lines: 1,
    });
  });

  it('takes the key from the environment or from a file, and shows it nowhere', async () => {
    const file = await record(Buffer.from(KEY));
    const keyFile = join(dirname(file), 'key');
    writeFileSync(keyFile, `${KEY}\n`);
    const runs = [
      await runCli(['audit', 'verify', '--file', file], { env: { AUDIT_KEY: KEY } }),
      await runCli(['audit', 'verify', '--file', file], { env: { AUDIT_KEY_FILE: keyFile } }),
      await runCli(['audit', 'verify', '--file', file, '--key-file', keyFile]),
      await runCli(['audit', 'verify', '--file', file]),
      await runCli(['audit', 'verify', '--file', file], { env: { AUDIT_KEY: 'short' } }),
    ];
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0, 1, 2]);
    expect(runs[3]?.stdout).toMatch(/^UNVERIFIABLE [\s\S]*that key was not given/);
    expect(JSON.stringify(runs)).not.toContain(CANARY);
    expect(JSON.stringify(runs)).not.toContain('short');
  });

  it.each([
    [['audit', 'verify'], {}, /No audit record is named[\s\S]*AUDIT_FILE/],
    [['audit', 'verify', '--file', '/nowhere/audit.jsonl'], {}, /There is no audit record at \/nowhere/],
    [['audit', 'search', '--file', '/nowhere/audit.jsonl'], {}, /There is no audit record at \/nowhere/],
    [['audit', 'tail', '--file', '/nowhere/audit.jsonl'], {}, /There is no audit record at \/nowhere/],
    [['audit', 'verify', '--file', '/'], {}, /can.t be read \(EISDIR\)/],
    [['audit', 'verify', '--file', 'x', '--head', '12:abc'], {}, /--head "12:abc" can.t be used/],
    [
      ['audit', 'verify', '--file', 'x', '--key-file', '/nowhere'],
      {},
      /key file \/nowhere can.t be read \(ENOENT\)/,
    ],
    [['audit', 'search', '--file', 'x', '--since', 'yesterday'], {}, /--since "yesterday" is no time/],
    [['audit', 'search', '--limit', '0'], {}, /whole number from 1/],
    [['audit', 'search', '--file', 'x', '--risk', 'banana'], {}, /"banana"[\s\S]*read, change, secret/],
    [
      ['audit', 'search', '--file', 'x', '--outcome', 'TIMEOUTS'],
      {},
      /"TIMEOUTS"[\s\S]*ok, none, .*TIMEOUT,/,
    ],
  ])('refuses %j with 2', async (args, env, message) => {
    const { code, stdout, stderr } = await runCli(args, { env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('audit search', () => {
  it('shows a call in one piece, and lets no recorded text act on the terminal', async () => {
    const file = await record();
    const { code, stdout, stderr } = await runCli(['audit', 'search', '--file', file]);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      '2026-11-21T08:00:00.000Z  mallory\\u{1b}[2J\\u{202e}  production  GET /nodes  change  no end',
      '    stop_guest · cluster by name · allowed role operator · id c2',
      '2026-11-21T08:00:00.000Z  alice  production  POST /nodes/pve1/qemu/100/status/stop  destroy  ok in 12 ms',
      '    stop_guest · client claude · cluster by pattern prod-* · allowed role operator · approval #7 by bob · UPID:pve1:1: · task OK · id c1',
      '',
    ]);
    expect(stderr).toBe('Calls: 2.\n');
  });

  it('filters, limits and says how many there are', async () => {
    const file = await record();
    const search = async (...args: string[]) => {
      const { stdout } = await runCli(['audit', 'search', '--file', file, '--json', ...args]);
      const { total, calls } = JSON.parse(stdout) as { total: number; calls: { id: string }[] };
      return `${total} ${calls.map(({ id }) => id).join()}`;
    };
    expect(await search('--limit', '1')).toBe('2 c2');
    expect(await search('--limit', '1', '--oldest-first')).toBe('2 c1');
    expect(
      await search('--path', '/nodes/*/qemu/100/*', '--risk', 'destroy', '--cluster', 'production'),
    ).toBe('1 c1');
    expect(await search('--outcome', 'none')).toBe('1 c2');
    expect(await search('--since', '2026-11-21T08:00:01Z')).toBe('0 ');
    expect(await search('--until', '2026-11-21T08:00:01Z', '--text', 'BOB')).toBe('1 c1');
  });
});

describe('audit tail', () => {
  it('shows calls for people and the lines themselves for a collector', async () => {
    const file = await record();
    appendFileSync(file, 'x\n');
    const text = await runCli(['audit', 'tail', '--file', file]);
    expect(text.stdout).toMatch(
      /the service opened the record\n[\s\S]*alice[\s\S]*can’t be read[\s\S]*no end/,
    );
    const json = await runCli(['audit', 'tail', '--file', file, '-n', '2', '--json']);
    expect(json.stdout).toBe(`${linesIn(file).slice(-2).join('\n')}\n`);
  });

  it('counts calls for people: the last one is two lines', async () => {
    const file = freshRecord();
    const log = await opened({ path: file });
    for (const id of ['c1', 'c2', 'c3']) {
      await log.begin(call(id));
      await log.end({ id, outcome: 'ok', durationMs: 3 });
    }
    await log.close();
    const { stdout } = await runCli(['audit', 'tail', '--file', file, '--lines', '2']);
    expect(stdout.match(/id c\d/g)).toEqual(['id c2', 'id c3']);
  });

  it('follows until it is told to stop', async () => {
    const file = freshRecord();
    const log = await opened({ path: file });
    const tail = new CliProcess(['audit', 'tail', '--file', file, '--follow']);
    await tail.shows('stdout', /opened the record/);
    await log.begin(call('later', { subject: 'carol' }));
    await log.end({ id: 'later', outcome: 'ok', durationMs: 3 });
    await tail.shows('stdout', /carol .* ok in 3 ms/);
    expect((await tail.stop('SIGINT')).code).toBe(0);
  });
});
