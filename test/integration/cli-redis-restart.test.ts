import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { folderWith } from '../support/config-folder.ts';
import { NO_REDIS, type RedisServer, startRedis } from '../support/redis.ts';
import { runCli } from './cli-process.ts';

let server: RedisServer | undefined;

beforeAll(async () => {
  if (NO_REDIS === undefined) server = await startRedis();
});
beforeEach(({ skip }) => skip(NO_REDIS !== undefined, NO_REDIS));
afterAll(() => server?.close());

describe('commands with REDIS_URL', () => {
  it('begin with what STATE_FILE holds, and change what the replicas share', async () => {
    const cwd = folderWith();
    const alone = { cwd, env: { STATE_FILE: 'state.db' } };
    const shared = { cwd: folderWith(), env: { REDIS_URL: server?.url ?? '' } };
    const issue = ['token', '--subject', 'alice', '--scope', 'proxmox:read', '--json'];
    const { jti } = JSON.parse((await runCli(issue, alone)).stdout);
    const moving = { cwd, env: { ...alone.env, ...shared.env } };
    const rotated = await runCli(['token', 'rotate', '--overlap', '1h'], moving);
    expect(rotated).toMatchObject({ code: 0, stderr: expect.stringContaining('New tokens are signed') });
    // Another folder, without a file: another replica's.
    const listed = async (where: typeof shared) =>
      JSON.parse((await runCli(['token', 'list', '--json'], where)).stdout).tokens;
    expect(await listed(shared)).toMatchObject([{ jti, state: 'valid' }]);
    expect((await runCli(['token', 'revoke', jti], shared)).code).toBe(0);
    expect(await listed(shared)).toMatchObject([{ jti, state: 'revoked' }]);
    // The file is what it was when it was taken over.
    expect(await listed({ ...alone, env: { ...alone.env, REDIS_URL: '' } })).toMatchObject([
      { state: 'valid' },
    ]);
  });

  it('say that Redis does not answer, and show no password', async () => {
    await server?.kill();
    const env = { REDIS_URL: server?.url ?? '' };
    const { code, stdout, stderr } = await runCli(['keys', 'list'], { cwd: folderWith(), env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/REDIS_URL: Redis does not answer/);
    expect(stderr).not.toContain('redis-canary-password');
  }, 60_000);
});
