import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../../src/catalogue/builtin.ts';
import { findParameter } from '../../../../src/catalogue/parameter-lookup.ts';
import { CallError } from '../../../../src/proxmox/errors.ts';
import {
  CHANGE_OPTIONS,
  CREATION_OPTIONS,
  canHold,
  changeOptions,
  creationOptions,
  requireContent,
  STORAGE_KINDS,
  withoutSecrets,
} from '../../../../src/tools/storage/kinds.ts';

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CallError) return `${error.code} ${error.message} ${error.hint}`;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('the options of a storage', () => {
  it.each(STORAGE_KINDS)('of type %s: each that is missing is named', (kind) => {
    const needed = /needs (.*) in `options`/
      .exec(kind === 'cephfs' ? '' : refusal(() => creationOptions(kind, {})))?.[1]
      ?.split(', ');
    const all = Object.fromEntries((needed ?? []).map((name) => [name, 'x']));
    expect(creationOptions(kind, all)).toEqual(all);
    for (const name of needed ?? []) {
      const { [name]: _left, ...rest } = all;
      expect(refusal(() => creationOptions(kind, rest))).toContain(`needs ${name} in`);
      expect(refusal(() => creationOptions(kind, { ...all, [name]: '' }))).toContain(`needs ${name} in`);
    }
    expect(canHold(kind)?.length).toBeGreaterThan(0);
  });

  it('may be written with either line', () => {
    expect(creationOptions('cephfs', { fs_name: 'x' })).toEqual({ 'fs-name': 'x' });
    expect(creationOptions('lvm', { vgname: 'x', 'tagged-only': true })).toEqual({
      vgname: 'x',
      tagged_only: true,
    });
  });

  it('of another type are refused, with the nearest and without their values', () => {
    const text = refusal(() => creationOptions('nfs', { server: 'a', exprt: 'canary' }));
    expect(text).toContain('Did you mean "export"?');
    expect(text).not.toContain('canary');
    expect(refusal(() => creationOptions('dir', { path: '/x', vgname: 'y' }))).toContain(
      'no option "vgname"',
    );
  });

  it('that say where the data is are not changed, and needed ones are not reset', () => {
    expect(refusal(() => changeOptions('nfs', { export: '/y' }))).toContain("can't be changed");
    expect(refusal(() => changeOptions('nfs', {}, ['server']))).toContain("can't be changed");
    expect(refusal(() => changeOptions('pbs', {}, ['username']))).toContain('pbs needs username');
    expect(changeOptions('pbs', { password: 'p' }, ['fingerprint'])).toEqual({
      options: { password: 'p' },
      removed: ['fingerprint'],
    });
    expect(CHANGE_OPTIONS).not.toContain('path');
  });

  it('are all known to Proxmox', () => {
    const catalogue = loadBuiltInCatalogue();
    const [create, change] = [catalogue.get('POST', '/storage'), catalogue.get('PUT', '/storage/{storage}')];
    if (!create || !change) throw new Error('the catalogue lacks /storage');
    // Since 9.0.
    const isOld = (name: string) => name !== 'snapshot-as-volume-chain';
    expect(CREATION_OPTIONS.filter(isOld).filter((name) => !findParameter(create, name))).toEqual([]);
    expect(CHANGE_OPTIONS.filter(isOld).filter((name) => !findParameter(change, name))).toEqual([]);
  });

  it('are shown without secrets', () => {
    const shown = withoutSecrets({
      server: 'a',
      password: 'canary',
      'encryption-key': 'canary',
      keyring: 'canary',
    });
    expect(shown).toEqual({ server: 'a', password: 'set', 'encryption-key': 'set', keyring: 'set' });
  });
});

describe('what a storage can hold', () => {
  it('is refused where its type can not', () => {
    expect(refusal(() => requireContent('lvmthin', ['images', 'iso', 'backup']))).toContain(
      "can't hold iso, backup",
    );
    expect(() => requireContent('pbs', ['backup'])).not.toThrow();
    expect(() => requireContent('dir', ['none'])).not.toThrow();
    // What these tools don't know, Proxmox judges.
    expect(() => requireContent('btrfs', ['iso'])).not.toThrow();
    expect(() => requireContent('dir', undefined)).not.toThrow();
  });
});
