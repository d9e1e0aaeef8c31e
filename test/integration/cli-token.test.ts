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
});
