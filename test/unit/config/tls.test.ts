import { generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TlsConfig } from '../../../src/config/config.ts';
import { Environment } from '../../../src/config/environment.ts';
import type { ConfigProblem } from '../../../src/config/problems.ts';
import { readTls } from '../../../src/config/tls.ts';
import {
  type Certificate,
  makeCertificate,
  makeWrongCertificate,
} from '../../../src/simulator/certificate.ts';
import { folderWith } from '../../support/config-folder.ts';

const DAY_MS = 86_400_000;

let pair: Certificate;
let other: Certificate;
let expired: Certificate;

beforeAll(async () => {
  [pair, other] = await Promise.all([
    makeCertificate('pair', 'localhost'),
    makeCertificate('other', 'localhost'),
  ]);
  expired = await makeWrongCertificate('expired', pair, 'pair', 'localhost');
});

interface Read {
  tls: TlsConfig | undefined;
  problems: string[];
  warnings: string[];
}

function read(files: Record<string, string>, { now, mode }: { now?: number; mode?: number } = {}): Read {
  const folder = folderWith(files);
  if (mode !== undefined) chmodSync(join(folder, 'key'), mode);
  const env = {
    ...('cert' in files ? { MCP_TLS_CERT_FILE: join(folder, 'cert') } : {}),
    ...('key' in files ? { MCP_TLS_KEY_FILE: join(folder, 'key') } : {}),
  };
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  const tls = readTls(new Environment(env, undefined, problems), warnings, now);
  return { tls, problems: problems.map(({ field, message }) => `${field} ${message}`), warnings };
}

describe('MCP_TLS_CERT and MCP_TLS_KEY', () => {
  it('are a pair that can be used, of a chain too', () => {
    const { tls, problems, warnings } = read({ cert: `${pair.pem}\n${other.pem}`, key: pair.key });
    expect([problems, warnings]).toEqual([[], []]);
    expect(tls?.fingerprint).toBe(pair.fingerprint);
    expect(String(tls?.key)).not.toContain('PRIVATE');
  });

  it('are needed by nobody', () => {
    expect(read({})).toEqual({ tls: undefined, problems: [], warnings: [] });
  });

  it.each([
    ['a key alone', () => ({ key: pair.key }), /^MCP_TLS_CERT is missing: MCP_TLS_KEY is set/],
    ['a certificate alone', () => ({ cert: pair.pem }), /^MCP_TLS_KEY is missing: MCP_TLS_CERT is set/],
    ['the key of another', () => ({ cert: pair.pem, key: other.key }), /^MCP_TLS_KEY does not belong to/],
    [
      'a chain in the wrong order',
      () => ({ cert: `${other.pem}\n${pair.pem}`, key: pair.key }),
      /first certificate has to be/,
    ],
    [
      'one that has ended',
      () => ({ cert: expired.pem, key: expired.key }),
      /^MCP_TLS_CERT has expired on \d{4}-/,
    ],
    ['no certificate', () => ({ cert: 'nonsense', key: pair.key }), /^MCP_TLS_CERT holds no PEM certificate/],
    ['no key', () => ({ cert: pair.pem, key: 'nonsense' }), /^MCP_TLS_KEY holds no PEM private key/],
    [
      'a key behind a passphrase',
      () => ({ cert: pair.pem, key: locked() }),
      /^MCP_TLS_KEY is locked with a passphrase/,
    ],
    [
      'an empty file',
      () => ({ cert: '', key: pair.key }),
      /^MCP_TLS_CERT_FILE names the file .* which is empty/,
    ],
  ])('are refused: %s', (_what, files, message) => {
    const { tls, problems } = read(files());
    expect(tls).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(message);
    expect(problems[0]).not.toContain('nonsense');
  });

  it('are refused before their time', () => {
    const { problems } = read({ cert: pair.pem, key: pair.key }, { now: Date.now() - 1000 * DAY_MS });
    expect(problems[0]).toMatch(/^MCP_TLS_CERT is valid from \d{4}-/);
  });

  it('are warned about in their last two weeks', () => {
    const { tls, warnings } = read({ cert: pair.pem, key: pair.key }, { now: Date.parse('2020-01-01') });
    expect([tls, warnings]).toEqual([undefined, []]);
    const end = read({ cert: pair.pem, key: pair.key }).tls?.expiresAt ?? 0;
    const late = read({ cert: pair.pem, key: pair.key }, { now: end - 13 * DAY_MS });
    expect(late.warnings).toEqual([expect.stringMatching(/^MCP_TLS_CERT expires on/)]);
  });

  it.each([
    [0o644, 1],
    [0o640, 0],
    [0o600, 0],
  ])('are warned about where everybody can read the key: mode %o', (mode, count) => {
    const { tls, warnings } = read({ cert: pair.pem, key: pair.key }, { mode });
    expect(tls).toBeDefined();
    expect(warnings).toHaveLength(count);
    for (const warning of warnings) expect(warning).toMatch(/can be read by every user.*chmod o= /);
  });
});

function locked(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'not-a-secret' })
    .toString();
}
