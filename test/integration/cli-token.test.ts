import { describe, expect, it } from 'vitest';
import { createTokenVerifier } from '../../src/access/tokens.ts';
import { Secret } from '../../src/config/secret.ts';
import { CANARY, folderWith } from '../support/config-folder.ts';
import { runCli } from './cli-process.ts';

const SECRET = `${CANARY}-of-more-than-32-bytes`;
const ARGS = ['token', '--subject', 'alice', '--scope', 'proxmox:read proxmox:change', '--lifetime', '1h'];

describe('token', () => {
  it('issues a token that the service accepts, alone on standard output', async () => {
    const { code, stdout, stderr } = await runCli(ARGS, {
      cwd: folderWith(),
      env: { MCP_JWT_SECRET: SECRET },
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(stderr).toMatch(/^proxmox:read proxmox:change for alice, valid until 20\d\d-\S+Z\.\n$/);
    const auth = { mode: 'shared-secret', secret: new Secret(SECRET), audience: 'proxmox-mcp' } as const;
    const principal = await createTokenVerifier(auth)(stdout.trim());
    expect(principal).toMatchObject({
      subject: 'alice',
      scopes: new Set(['proxmox:read', 'proxmox:change']),
    });
    await expect(createTokenVerifier({ ...auth, audience: 'other' })(stdout.trim())).rejects.toThrow('"aud"');
  });

  it('takes secret, issuer and audience from .env and files, and expires when it says', async () => {
    const cwd = folderWith({
      '.env': 'MCP_JWT_SECRET_FILE=jwt\nMCP_JWT_ISSUER=me\nMCP_JWT_AUDIENCE=us\n',
      jwt: `${SECRET}\n`,
    });
    const { stdout } = await runCli([...ARGS, '--json'], { cwd });
    const issued = JSON.parse(stdout);
    const claims = JSON.parse(Buffer.from(issued.token.split('.')[1], 'base64url').toString());
    expect(claims).toMatchObject({ iss: 'me', aud: 'us', sub: 'alice', exp: claims.iat + 3600 });
    expect(issued.expires_at).toBe(new Date(claims.exp * 1000).toISOString());
    expect(Object.keys(issued)).toEqual(['token', 'subject', 'scope', 'expires_at']);
  });

  it.each([
    [{}, /MCP_JWT_SECRET: is missing/],
    [{ MCP_JWT_SECRET: CANARY }, /shorter than 32 bytes/],
    [{ MCP_AUTH: 'none' }, /the service asks for no token/],
    [
      { MCP_JWKS_URL: 'https://id.example.org/keys', MCP_JWT_ISSUER: 'https://id.example.org' },
      /authorization server/,
    ],
  ])('refuses %j with 2, and prints no secret', async (env, message) => {
    const { code, stdout, stderr } = await runCli(ARGS, { cwd: folderWith(), env });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain(CANARY);
  });

  it('says where it looked, and what a new secret does to the tokens there are', async () => {
    const bare = await runCli(ARGS, { cwd: folderWith() });
    expect(bare.stderr).toMatch(
      /No \.env was found in this folder[\s\S]*invalidates the tokens issued with the old/,
    );
    const other = await runCli(ARGS, { cwd: folderWith({ '.env': 'MCP_JWT_SECRT=x\n' }) });
    expect(other.stderr).not.toContain('No .env');
    expect(other.stderr).toContain(
      '.env, MCP_JWT_SECRT: is not a setting of this service: did you mean MCP_JWT_SECRET?',
    );
  });

  it('asks for a subject', async () => {
    const { code, stderr } = await runCli(['token'], { env: { MCP_JWT_SECRET: SECRET } });
    expect(code).toBe(2);
    expect(stderr).toContain("required option '--subject <name>' not specified");
  });

  it('signs with a key of the state file where there is one, and remembers no token', async () => {
    const setting = { cwd: folderWith(), env: { STATE_FILE: 'deep/state.db' } };
    const issued = JSON.parse((await runCli([...ARGS, '--json'], setting)).stdout);
    expect(Object.keys(issued)).toEqual(['token', 'subject', 'scope', 'expires_at', 'jti']);
    const header = JSON.parse(Buffer.from(issued.token.split('.')[0], 'base64url').toString());
    expect(header).toMatchObject({ alg: 'EdDSA', kid: expect.stringMatching(/^pmx-/) });
    const none = await runCli(['token', 'list', '--subject', 'bob'], setting);
    expect(none.stderr).toMatch(/^No token was issued here for bob\.\n.*are not listed/);
    const unknown = await runCli(['token', 'revoke', '--subject', 'bob'], setting);
    expect(unknown.stderr).toContain('None of its tokens is listed here.');
    const { stdout } = await runCli(['token', 'list'], setting);
    expect(stdout).toContain(issued.jti);
    expect(stdout).not.toContain(issued.token);
    const other = await runCli([...ARGS, '--alg', 'HS256'], setting);
    expect(other).toMatchObject({ code: 2, stdout: '' });
    expect(other.stderr).toContain('token rotate --alg HS256');
  });

  it('beside a shared secret takes the secret until a key was made, and either when asked', async () => {
    const setting = { cwd: folderWith(), env: { STATE_FILE: 'state.db', MCP_JWT_SECRET: SECRET } };
    const algOf = async (...more: string[]) => {
      const { stdout } = await runCli([...ARGS, ...more], setting);
      return JSON.parse(Buffer.from(stdout.split('.')[0] ?? '', 'base64url').toString()).alg;
    };
    expect(await algOf()).toBe('HS256');
    const { stderr } = await runCli(['token', 'rotate'], setting);
    expect(stderr).toContain('MCP_JWT_SECRET stay valid');
    expect(await algOf()).toBe('EdDSA');
    expect(await algOf('--alg', 'HS256')).toBe('HS256');
  });

  it.each([
    [['token', 'list'], /token list needs STATE_FILE/],
    [['token', 'revoke', '--all'], /token revoke needs STATE_FILE/],
    [['token', 'revoke'], /Say which/],
    [['token', 'revoke', 'x', '--all'], /Say which/],
    [['token', 'rotate'], /token rotate needs STATE_FILE/],
    [[...ARGS, '--alg', 'EdDSA'], /needs STATE_FILE/],
    [[...ARGS, '--alg', 'none'], /EdDSA, HS256/],
    [['token', '--subject', 'a\nb'], /control characters/],
    [['token', 'list', 'x'], /too many arguments/],
    [['keys', 'list'], /keys list needs STATE_FILE/],
    [['keys', 'add'], /--subject/],
  ])('%j without STATE_FILE ends with 2 and says what it needs', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args, {
      cwd: folderWith(),
      env: { MCP_JWT_SECRET: SECRET },
    });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('never repeats an API key that was given in place of its id', async () => {
    const setting = { cwd: folderWith(), env: { STATE_FILE: 'state.db' } };
    const key = (await runCli(['keys', 'add', '--subject', 'ci'], setting)).stdout.trim();
    const { code, stderr } = await runCli(['keys', 'revoke', key], setting);
    expect(code).toBe(2);
    expect(stderr).not.toContain(key);
    const id = key.split('_')[1] ?? '';
    expect((await runCli(['keys', 'revoke', id], setting)).code).toBe(0);
    const again = await runCli(['keys', 'rotate', id], setting);
    expect(again.stderr).toMatch(/is revoked/);
  });
});
