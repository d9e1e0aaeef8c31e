import { parseEnv } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dotEnvLine, withBlock } from '../../../src/config/dotenv-text.ts';

describe('dotEnvLine', () => {
  test.each([
    ['plain', 'a@pve!mcp', 'X=a@pve!mcp'],
    ['a blank', 'a b', "X='a b'"],
    ['a comment sign', 'a#b', "X='a#b'"],
    ['a dollar, which Compose would expand', 'a$b', "X='a$b'"],
    ['a quote', "it's", 'X="it\'s"'],
    ['both quotes', `"it's"`, 'X=`"it\'s"`'],
    ['line breaks', 'a\nb', "X='a\nb'"],
  ])('%s', (_title, value, line) => {
    expect(dotEnvLine('X', value)).toBe(line);
  });

  test('every kind of quote at once is refused, without the value', () => {
    expect(() => dotEnvLine('X', '\'"`CANARY')).toThrow(/^can’t be written to a .env file: (?!.*CANARY)/);
  });

  test('whatever it writes is read as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (value) => {
        let line: string;
        try {
          line = dotEnvLine('PROXMOX_CLUSTER_a.b-c_X', value);
        } catch {
          return;
        }
        expect({ ...parseEnv(`${line}\n`) }).toEqual({ 'PROXMOX_CLUSTER_a.b-c_X': value });
      }),
    );
  });
});

describe('withBlock', () => {
  const isGone = (name: string) => name.startsWith('PROXMOX_');
  const BLOCK = 'PROXMOX_NEW=1\n';

  test('puts the block at the end where there was none', () => {
    expect(withBlock('', isGone, BLOCK)).toBe(BLOCK);
    expect(withBlock('MCP_PORT=1', isGone, BLOCK)).toBe(`MCP_PORT=1\n\n${BLOCK}`);
  });

  test('takes what is replaced out, over several lines too, and leaves the rest as it stands', () => {
    const before = [
      '# mine',
      'MCP_PORT=1 # why',
      "PROXMOX_CA='-----BEGIN",
      'MCP_PORT=2',
      "-----END'",
      'export PROXMOX_B = x',
      '',
      'MCP_TEXT="a',
      'PROXMOX_NOT=one"',
      '#PROXMOX_COMMENT=kept',
    ].join('\n');
    expect(withBlock(before, isGone, BLOCK)).toBe(
      `# mine\nMCP_PORT=1 # why\n${BLOCK}\nMCP_TEXT="a\nPROXMOX_NOT=one"\n#PROXMOX_COMMENT=kept`,
    );
  });
});
