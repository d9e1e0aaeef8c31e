import { describe, expect, it } from 'vitest';
import { hostList } from '../../../src/http/plugins/allowlist.ts';

const allowed = [
  'localhost:*',
  '127.0.0.1:*',
  '[::1]:*',
  'mcp.example.org',
  'exact.example:8443',
  '*.lab.example',
];

describe('hostList', () => {
  it.each([
    'localhost',
    'localhost:8000',
    'LOCALHOST:1',
    '127.0.0.1:8000',
    '[::1]:8000',
    'mcp.example.org',
    'mcp.example.org:443',
    'exact.example:8443',
    'a.lab.example',
    'a.b.lab.example:8000',
  ])('lets %s in', (host) => {
    expect(hostList(allowed)(host)).toBe(true);
  });

  it.each([
    '',
    'evil.example',
    'mcp.example.org.evil.example',
    'evil-mcp.example.org',
    'exact.example',
    'exact.example:8444',
    'lab.example',
    '.lab.example.evil',
    'evillab.example',
    'user@localhost',
    'localhost:8000:9000',
    'localhost/',
    'localhost:8000/mcp',
    ' localhost',
    'localhost ',
    'localhost\t',
    'localhost,evil.example',
    '*',
    '*:*',
    '[::1',
    '127.0.0.1.evil.example',
    '0x7f000001',
    '2130706433',
    'localhost:99999999',
  ])('keeps %j out', (host) => {
    expect(hostList(allowed)(host)).toBe(false);
  });
});
