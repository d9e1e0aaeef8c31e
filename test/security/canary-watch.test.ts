import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { summaryOf } from '../support/canary-reporter.ts';
import { CanaryWatch } from '../support/canary-watch.ts';
import { folderWith } from '../support/config-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const LEAKS = fileURLToPath(new URL('./planted-leaks.ts', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');

const SECRET = 'c4n4ry/+é?"k3y~of us';
const own = { watch: new CanaryWatch() };

beforeEach(() => {
  own.watch = new CanaryWatch();
  own.watch.watch('a planted one', SECRET);
  own.watch.test = 'leaks';
});

describe('the watch', () => {
  it.each([
    ['plain', SECRET],
    ['base64', Buffer.from(SECRET).toString('base64')],
    ['base64 amid other bytes', Buffer.from(`root@pam:${SECRET} and more`).toString('base64')],
    ['base64url', Buffer.from(SECRET).toString('base64url')],
    ['URL-encoded', encodeURIComponent(SECRET)],
    ['a form', new URLSearchParams({ a: SECRET }).toString()],
    ['JSON', JSON.stringify({ a: SECRET })],
    ['JSON in JSON', JSON.stringify(JSON.stringify({ a: SECRET }))],
    ['hex', Buffer.from(SECRET).toString('hex')],
  ])('sees a secret in %s, and says what, where and when without it', (_name, text) => {
    own.watch.output('log', `before ${text} behind`);
    const hits = own.watch.search();
    expect(hits).toMatchObject([{ kind: 'a planted one', outlet: 'log', test: 'leaks' }]);
    expect(JSON.stringify(hits)).not.toContain(text);
    expect(JSON.stringify(hits)).not.toContain(SECRET);
    expect(hits[0]?.around).toContain('[canary]');
  });

  it('sees it in pieces of one stream, not across two streams', () => {
    const [one, two] = [{}, {}];
    for (const character of SECRET) own.watch.output('HTTP', character, one);
    expect(own.watch.search()).toHaveLength(1);
    const other = new CanaryWatch();
    other.watch('a planted one', SECRET);
    other.output('HTTP', SECRET.slice(0, 9), one);
    other.output('HTTP', SECRET.slice(9), two);
    expect(other.search()).toEqual([]);
  });

  it('sees it across two searches, and when it became known after it came out', () => {
    own.watch.output('stderr', SECRET.slice(0, 9), own);
    expect(own.watch.search()).toEqual([]);
    own.watch.output('stderr', SECRET.slice(9), own);
    own.watch.output('stdout', 'later-known-secret');
    own.watch.watch('a late one', 'later-known-secret');
    expect(own.watch.search().map(({ kind }) => kind)).toEqual(['a planted one', 'a late one']);
  });

  it('excuses what is shown on purpose, in that test and outlet alone', () => {
    own.watch.expectShown(SECRET, 'it is asked for', 'stdout');
    own.watch.output('stdout', SECRET);
    expect(own.watch.search()).toEqual([]);
    own.watch.output('stderr', SECRET);
    own.watch.test = 'another';
    own.watch.output('stdout', SECRET);
    const places = own.watch.search().map(({ outlet, test }) => `${outlet} of ${test}`);
    expect(places.sort()).toEqual(['stderr of leaks', 'stdout of another']);
  });

  it('lets a command print the credentials it makes, there alone, and nothing else', () => {
    const key = `pmk_0123456789ab_${'k'.repeat(43)}`;
    own.watch.issues('stdout of a child process', own);
    own.watch.output('stdout of a child process', `${key}\n`, own);
    expect(own.watch.search()).toEqual([]);
    own.watch.output('stdout of a child process', `${SECRET}\n`, own);
    own.watch.output('log', `a request with ${key}`);
    expect(own.watch.search().map(({ outlet }) => outlet)).toEqual(['stdout of a child process', 'log']);
  });

  it('knows a signed token by its signature, and does not look for what is short', () => {
    const signature = 's1gn4ture'.repeat(4);
    own.watch.watch('a token', `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.${signature}`);
    own.watch.watch('a short one', 'abc');
    own.watch.output('log', `abc ${signature}`);
    expect(own.watch.search().map(({ kind }) => kind)).toEqual(['a token']);
  });

  it('is summed up in one line', () => {
    own.watch.output('log', SECRET);
    own.watch.search();
    const line = summaryOf([own.watch.counts(), new CanaryWatch().counts()]);
    expect(line).toMatch(/^canaries: 1 secrets of 1 kinds watched in 2 files, 1 outputs .*, 1 hits$/);
  });
});

describe('a test run', () => {
  it('fails where a secret comes out, whichever way, and names kind, outlet and test', async () => {
    const report = join(folderWith(), 'report.json');
    const test = {
      include: [LEAKS],
      setupFiles: [join(ROOT, 'test/support/canary-setup.ts')],
      reporters: [['json', { outputFile: report }]],
    };
    const config = folderWith({
      'vitest.config.mjs': `export default ${JSON.stringify({ root: ROOT, test })};`,
    });
    const child = spawn(process.execPath, [VITEST, 'run', '-c', join(config, 'vitest.config.mjs')], {
      cwd: ROOT,
      stdio: 'ignore',
    });
    expect(await once(child, 'close')).toEqual([1, null]);
    const { testResults, numTotalTests } = JSON.parse(readFileSync(report, 'utf8'));
    const message = String(testResults[0].message);
    const found = [...message.matchAll(/^(.+) \((?:plain|encoded)\) in (.+), test "(.+?)": /gm)].map(
      ([, kind, outlet, name]) => `${name}: ${kind} in ${outlet}`,
    );
    expect(numTotalTests).toBe(19);
    expect(found.sort()).toEqual(
      [
        'another test, where it is not meant to be shown: a secret of the configuration in stdout',
        'child that is waited for, in a URL: a secret of the configuration in a child process',
        'child, in base64: a secret of the configuration in stderr of a child process',
        'console: a secret of the configuration in console',
        'environment of a child: the setting GUEST_PASSWORD in a child process',
        'file that is left: a secret of the configuration in a file',
        'header of an injected response: a secret of the configuration in HTTP',
        'log behind a redaction that does not know it: a secret of the configuration in log',
        'log of a silent logger: a secret of the configuration in log',
        'message of a failing test: a secret of the configuration in a failed test',
        'response to a client, cut in two: a secret of the configuration in HTTP',
        'standard error: a secret of the configuration in stderr',
        'target endpoint in base64 that reached a simulated cluster: a target endpoint in stdout',
        'target endpoint in base64 that reached a simulated cluster: the token of a target endpoint in stdout',
        'target endpoint that reached a simulated cluster: a target endpoint in stdout',
        'target endpoint that reached a simulated cluster: the token of a target endpoint in stdout',
        'target endpoint that was made: a secret of the configuration in stdout',
        'ticket of a simulated cluster: a ticket in stdout',
        'token of a target endpoint that reached a simulated cluster: the token of a target endpoint in stdout',
        'token that was issued: a bearer token in stdout',
      ].sort(),
    );
    expect(message).not.toContain('p1@nted');
  }, 60_000);
});
