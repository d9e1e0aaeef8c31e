import {
  chmodSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readExisting, writeClusters, writeEnvFile } from '../../../src/cli/init-files.ts';
import { CANARY, ENTRY, fileWith, folderWith } from '../../support/config-folder.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');

describe('clusters.json', () => {
  it('is made with mode 600, in a folder that does not exist yet', () => {
    const folder = join(folderWith(), 'etc', 'proxmox');
    writeClusters(readExisting(folder), new Map([['new', ENTRY]]));
    expect(JSON.parse(read(folder, 'clusters.json'))).toEqual({ clusters: { new: ENTRY } });
    expect(modeOf(join(folder, 'clusters.json'))).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['clusters.json']);
  });

  it('keeps what is there, and gets mode 600', () => {
    const folder = folderWith({ 'clusters.json': fileWith({ region: 'eu' }, { default_cluster: 'prod' }) });
    chmodSync(join(folder, 'clusters.json'), 0o644);
    const existing = readExisting(folder);
    expect(existing.names).toEqual(['prod']);
    writeClusters(existing, new Map([['new', ENTRY]]));
    expect(JSON.parse(read(folder, 'clusters.json'))).toEqual({
      clusters: { prod: { ...ENTRY, region: 'eu' }, new: ENTRY },
      default_cluster: 'prod',
    });
    expect(modeOf(join(folder, 'clusters.json'))).toBe(0o600);
  });

  it('is written through a link', () => {
    const elsewhere = folderWith({ 'real.json': fileWith() });
    const folder = folderWith();
    symlinkSync(join(elsewhere, 'real.json'), join(folder, 'clusters.json'));
    writeClusters(readExisting(folder), new Map([['new', ENTRY]]));
    expect(readlinkSync(join(folder, 'clusters.json'))).toBe(join(elsewhere, 'real.json'));
    expect(Object.keys(JSON.parse(read(elsewhere, 'real.json')).clusters)).toEqual(['prod', 'new']);
  });

  it.each(['{broken', '[]', '{"clusters":{"a":{"url":"x","secret_token":"y"}}}', ''])(
    'is left alone where it is %s',
    (text) => {
      const folder = folderWith({ 'clusters.json': text });
      expect(() => readExisting(folder)).toThrow(/is no valid clusters.json; it was left as it is/);
    },
  );
});

describe('.env', () => {
  const SECRET = /^MCP_JWT_SECRET=[\w-]{64}$/m;

  it('is made with mode 600 and a secret of its own', () => {
    const [one, other] = [folderWith(), folderWith()];
    expect([writeEnvFile(one), writeEnvFile(other)]).toEqual([true, true]);
    expect(read(one, '.env')).toMatch(SECRET);
    expect(read(one, '.env')).not.toBe(read(other, '.env'));
    expect(modeOf(join(one, '.env'))).toBe(0o600);
  });

  it('keeps the lines that are there', () => {
    const folder = folderWith({ '.env': '# mine\nMCP_PORT=9000' });
    chmodSync(join(folder, '.env'), 0o644);
    expect(writeEnvFile(folder)).toBe(true);
    expect(read(folder, '.env')).toMatch(/^# mine\nMCP_PORT=9000\nMCP_JWT_SECRET=[\w-]{64}\n$/);
    expect(modeOf(join(folder, '.env'))).toBe(0o600);
  });

  it.each(['MCP_JWT_SECRET=\nMCP_PORT=9000\n', 'MCP_JWT_SECRET=""\nMCP_PORT=9000\n'])(
    'fills an empty secret in where it stands: %j',
    (text) => {
      const folder = folderWith({ '.env': text });
      expect(writeEnvFile(folder)).toBe(true);
      expect(read(folder, '.env')).toMatch(/^MCP_JWT_SECRET=[\w-]{64}\nMCP_PORT=9000\n$/);
    },
  );

  it.each([
    `MCP_JWT_SECRET=${CANARY}`,
    'MCP_JWT_SECRET_FILE=/run/secrets/jwt',
    'MCP_JWKS_URL=https://x',
    'MCP_AUTH=none',
  ])('stays as it is with %s', (line) => {
    const folder = folderWith();
    writeFileSync(join(folder, '.env'), line);
    expect(writeEnvFile(folder)).toBe(false);
    expect(read(folder, '.env')).toBe(line);
  });
});
