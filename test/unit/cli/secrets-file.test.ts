import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSecretsFile, replaceSecrets } from '../../../src/cli/secrets-file.ts';
import { CANARY, folderWith } from '../../support/config-folder.ts';

const SEALED = { sealed: 'v1.00000000.AAAA' };
/** As people write: tabs, CRLF, a byte order mark, blanks and order of their own, escapes. */
const text = (secret: string) =>
  `\uFEFF{\r\n\t"default_cluster" : "ü-\\u00e4",\r\n\n  "clusters":{ "b":{"token_secret":${secret}   ,"url":"x",\r\n` +
  `"token_id":"a@b!\\u0063"},"ü-ä" :\t{"password":{"env":"X"},"user":"a@b","url":"y" } , "c":{"url":"z"}}\r\n}\r\n\r\n`;

function fileOf(content: string | Buffer): string {
  const path = join(folderWith(), 'clusters.json');
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

describe('clusters.json with its secrets', () => {
  it('tells how each is stored, in order', () => {
    const { secrets } = readSecretsFile(fileOf(text(JSON.stringify(CANARY))));
    expect(secrets).toMatchObject([
      { place: { cluster: 'b', key: 'token_secret' }, kind: 'plain' },
      { place: { cluster: 'ü-ä', key: 'password' }, kind: 'env', name: 'X' },
    ]);
    expect(JSON.stringify(secrets)).not.toContain(CANARY);
  });

  it('keeps every other byte when secrets are replaced, there and back', () => {
    const path = fileOf(text(JSON.stringify(CANARY)));
    const file = readSecretsFile(path);
    const [first] = file.secrets;
    if (first === undefined) throw new Error('no secret');
    replaceSecrets(file, new Map([[first.place, SEALED]]));
    expect(readFileSync(path, 'utf8')).toBe(text(`{ "sealed": "${SEALED.sealed}" }`));
    replaceSecrets(readSecretsFile(path), new Map([[first.place, CANARY]]));
    expect(readFileSync(path, 'utf8')).toBe(text(JSON.stringify(CANARY)));
  });

  it('is left alone where somebody changed it meanwhile', () => {
    const path = fileOf(text(JSON.stringify(CANARY)));
    const file = readSecretsFile(path);
    const [first] = file.secrets;
    writeFileSync(path, text('"other"'));
    expect(() => replaceSecrets(file, new Map(first && [[first.place, SEALED]]))).toThrow(
      /was changed by another meanwhile/,
    );
    expect(readFileSync(path, 'utf8')).toBe(text('"other"'));
  });

  it.each([
    ['broken', '{'],
    ['of another form', '{"clusters":{"a":{"url":"x","secret":"y"}}}'],
    ['with a key twice', '{"clusters":{"a":{"url":"x","password":"y","password":"z"}}}'],
  ])('is refused where it is %s, as the service does', (_what, content) => {
    expect(() => readSecretsFile(fileOf(content))).toThrow(
      /The configuration can't be used:\n {2}- clusters/,
    );
  });

  it('is refused where it is no UTF-8, which could not be written back', () => {
    const latin = Buffer.from(`{"clusters":{"a":{"url":"x","password":"\xe4"}}}`, 'latin1');
    expect(() => readSecretsFile(fileOf(latin))).toThrow(/is no UTF-8 text/);
  });
});
