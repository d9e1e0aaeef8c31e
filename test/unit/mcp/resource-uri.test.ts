import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kindOf, RESOURCE_KINDS } from '../../../src/mcp/resource-kinds.ts';
import { fillUri, matchUri, type ResourceValues } from '../../../src/mcp/resource-uri.ts';

const UPID = 'UPID:pve1:0000A1B2:00C3D4E5:6723AB12:qmstart:100:root@pam!auto:';
const WORD = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}[A-Za-z0-9]$/);

const VALUES: fc.Arbitrary<Required<ResourceValues>> = fc.record({
  cluster: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/).filter((name) => name !== 'clusters'),
  node: WORD,
  storage: WORD,
  vmid: fc.integer({ min: 100, max: 999_999_999 }).map(String),
  upid: WORD.map((node) => UPID.replace('pve1', node)),
});

describe('a URI', () => {
  it('comes back as the values that it was made of', () => {
    fc.assert(
      fc.property(VALUES, fc.constantFrom(...RESOURCE_KINDS), (values, kind) => {
        const uri = fillUri(kind.template, values);
        const found = kindOf(uri);
        expect(found?.kind).toBe(kind);
        for (const [name, value] of Object.entries(found?.values ?? {})) {
          expect(value).toBe(values[name as keyof ResourceValues]);
        }
        expect(new URL(uri).href).toBe(uri);
      }),
    );
  });

  it.each([
    ['proxmox://production/guests/100', 'guest', { cluster: 'production', vmid: '100' }],
    [`proxmox://production/tasks/${encodeURIComponent(UPID)}`, 'task', { cluster: 'production', upid: UPID }],
    [`proxmox://production/tasks/${UPID}`, 'task', { cluster: 'production', upid: UPID }],
    ['proxmox://p%72od', 'cluster', { cluster: 'prod' }],
    ['proxmox://clusters', 'clusters', {}],
  ])('%s is a %s', (uri, name, values) => {
    const found = kindOf(uri);
    expect(found?.kind.name).toBe(name);
    expect(found?.values).toEqual(values);
  });

  it.each([
    '',
    'proxmox:',
    'proxmox://',
    'proxmox:///',
    'PROXMOX://production',
    'proxmox://production/',
    'proxmox://production//100',
    'proxmox://production/guests/',
    'proxmox://production/guests/0100',
    'proxmox://production/guests/99',
    'proxmox://production/guests/100/',
    'proxmox://production/guests/100/config',
    'proxmox://production/guests/100?x=1',
    'proxmox://production/guests/100#x',
    'proxmox://production/guests/..',
    'proxmox://production/guests/%2e%2e',
    'proxmox://production/guests/100%2f..%2f101',
    'proxmox://production/guests/100%5c',
    'proxmox://production/guests/100%00',
    'proxmox://production/guests/100%0a',
    'proxmox://production/guests/%3100%zz',
    'proxmox://production/guests/%ff',
    'proxmox://production/../staging',
    'proxmox://../production',
    'proxmox://%2e%2e',
    'proxmox://production/nodes/pve1%2Fqemu',
    'proxmox://production/nodes/pve1%252Fqemu',
    'proxmox://production/nodes/.',
    'proxmox://production/nodes/pvé1',
    'proxmox://production/storages/local%20lvm',
    'proxmox://production/storages/*',
    'proxmox://production/tasks/UPID',
    `proxmox://production/tasks/${UPID}%2F..`,
    'proxmox://user@production',
    'https://production/guests/100',
    `proxmox://${'a'.repeat(2000)}`,
    'proxmox://{cluster}',
  ])('%j is none', (uri) => {
    expect(kindOf(uri)).toBeUndefined();
  });

  it('never lets a value mean another place, whatever stands in it', () => {
    const nasty = fc.array(
      fc.constantFrom(
        '..',
        '.',
        '/',
        '\\',
        '%2f',
        '%2F',
        '%5c',
        '%2e',
        '%00',
        '%25',
        '?',
        '#',
        'a',
        '100',
        ':',
        '\u2028',
      ),
      { minLength: 1, maxLength: 8 },
    );
    const segment = fc.oneof(
      nasty.map((parts) => parts.join('')),
      fc.string({ unit: 'binary', maxLength: 30 }),
      WORD,
    );
    const uris = fc
      .array(fc.oneof(segment, fc.constantFrom('nodes', 'guests', 'storages', 'tasks')), { maxLength: 5 })
      .map((parts) => `proxmox://${parts.join('/')}`);
    fc.assert(
      fc.property(uris, (uri) => {
        for (const { template } of RESOURCE_KINDS) {
          for (const value of Object.values(matchUri(template, uri) ?? {})) {
            expect(value).toMatch(/^[A-Za-z0-9][A-Za-z0-9._:@!-]*$/);
            expect(value).not.toBe('..');
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});
