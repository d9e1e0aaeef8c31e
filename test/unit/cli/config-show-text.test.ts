import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { showText } from '../../../src/cli/config-show-text.ts';
import type { EffectiveConfig } from '../../../src/config/effective.ts';

const SHOWN: EffectiveConfig = {
  settings: [{ name: 'MCP_PORT', value: '8000', origin: 'default' }],
  clusters: [
    { name: 'prod', values: [{ name: 'verify_ssl', value: 'false', origin: '.env (PROXMOX_VERIFY)' }] },
  ],
  selection: [{ by: 'pattern', what: 'prod-', cluster: 'prod', origin: 'clusters.json' }],
  warnings: ['about the file'],
};

const textOf = (shown: EffectiveConfig, isTerminal: boolean): string =>
  stripVTControlCharacters(showText(shown, isTerminal));

it('draws tables on a terminal', () => {
  const text = textOf(SHOWN, true);
  expect(text).toMatch(/│ Cluster │ Key\s+│ Value │ From\s+│/);
  expect(text).toMatch(/│ prod\s+│ verify_ssl │ false │ \.env \(PROXMOX_VERIFY\) │/);
  expect(text).toMatch(/│ name pattern │ prod- │ prod\s+│ clusters\.json │/);
});

it('prints plain lines elsewhere', () => {
  expect(textOf(SHOWN, false).split('\n')).toEqual(
    expect.arrayContaining([
      'MCP_PORT  8000  default',
      'prod  verify_ssl  false  .env (PROXMOX_VERIFY)',
      '  about the file',
    ]),
  );
});

it('aligns the columns of plain lines, but for a value that would move all others', () => {
  const long = 'x'.repeat(200);
  const values = [
    { name: 'url', value: 'pve1', origin: 'clusters.json' },
    { name: 'verify_ssl', value: 'false', origin: 'default' },
    { name: 'patterns', value: long, origin: 'clusters.json' },
  ];
  const text = textOf({ ...SHOWN, clusters: [{ name: 'prod', values }] }, false);
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      'prod  url         pve1   clusters.json',
      'prod  verify_ssl  false  default',
      `prod  patterns    ${long}  clusters.json`,
    ]),
  );
});

it('says that there is no default, and nothing of it where there is one', () => {
  const rule = 'There is no default: what no pattern and no VMID selects has to name its cluster.';
  expect(textOf(SHOWN, false)).toContain(rule);
  expect(textOf({ ...SHOWN, selection: [] }, true)).toContain(rule);
  const byDefault = {
    by: 'default',
    what: 'what nothing else selects',
    cluster: 'prod',
    origin: 'clusters.json',
  } as const;
  expect(textOf({ ...SHOWN, selection: [byDefault] }, false)).not.toContain('There is no default');
});
