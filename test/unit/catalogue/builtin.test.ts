import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../../scripts/build-catalogue.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { compilePattern } from '../../../src/catalogue/pattern.ts';

const builtIn = loadBuiltInCatalogue();

describe('the built-in catalogue', () => {
  it('is what the installed package says: run `node scripts/build-catalogue.ts` when this fails', () => {
    const committed = readFileSync(new URL('../../../src/catalogue/builtin.jsonl', import.meta.url), 'utf8');
    expect(buildCatalogue() === committed).toBe(true);
  });

  it('holds every method of the package', () => {
    expect(builtIn.methods).toHaveLength(583);
    expect(builtIn.pathCount).toBe(386);
    expect(builtIn).toMatchObject({ source: 'built-in', version: undefined });
  });

  it('knows types, choices, limits, needs and meanings', () => {
    const method = builtIn.get('POST', '/nodes/{node}/qemu');
    expect(method?.parameters).toMatchObject({
      node: { type: 'string', format: 'pve-node', description: 'The node of the cluster.' },
      vmid: { type: 'integer', minimum: 100, maximum: 999999999 },
      acpi: { type: 'boolean', optional: true },
      bios: { enum: ['ovmf', 'seabios'], description: 'Select BIOS implementation.' },
      'net[n]': { format: { model: { defaultKey: true }, virtio: { alias: 'macaddr', keyAlias: 'model' } } },
      'scsi[n]': { optional: true },
      sshkeys: { format: 'urlencoded' },
    });
    expect(method?.parameters.vmid).not.toHaveProperty('optional');
    expect(method?.parameters).not.toHaveProperty('net0');
    expect(method).toMatchObject({ returns: { type: 'string' }, allowToken: true });
  });

  it('knows arrays, permissions, answers and what a token may not call', () => {
    expect(builtIn.get('POST', '/nodes/{node}/qemu/{vmid}/agent/exec')?.parameters.command).toMatchObject({
      type: 'array',
    });
    expect(builtIn.get('GET', '/pools/{poolid}')?.permissions).toEqual({
      check: ['perm', '/pool/{poolid}', ['Pool.Audit']],
    });
    expect(builtIn.get('PUT', '/access/password')?.allowToken).toBe(false);
    expect(builtIn.get('GET', '/nodes')?.returns).toMatchObject({
      type: 'array',
      items: { properties: { node: { type: 'string' } } },
    });
  });

  it('has no pattern that can not be read', () => {
    for (const { parameters } of builtIn.methods) {
      for (const { pattern, format } of Object.values(parameters)) {
        const inner = typeof format === 'object' ? Object.values(format).map((key) => key.pattern) : [];
        for (const each of [pattern, ...inner])
          if (each !== undefined) expect(compilePattern(each), each).toBeDefined();
      }
    }
  });
});
