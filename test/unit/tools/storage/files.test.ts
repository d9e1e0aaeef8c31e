import { describe, expect, it } from 'vitest';
import { guessContent, nameFor, nameInUrl } from '../../../../src/tools/storage/download.ts';
import {
  algorithmOf,
  checksumData,
  contentOfName,
  normalised,
  requireEnding,
} from '../../../../src/tools/storage/files.ts';

describe('the name of a file', () => {
  it.each([
    ['https://a.test/x/debian-12.qcow2?sig=1', 'debian-12.qcow2'],
    ['https://a.test/x/my%20image%2F..%2Fa.iso', 'a.iso'],
    ['https://a.test/x/%E0%A4%A.iso', '_E0_A4_A.iso'],
    ['https://a.test/', undefined],
  ])('of %s is %s', (url, name) => expect(nameInUrl('a', url)).toBe(name));

  it.each(['ftp://a.test/x.iso', 'file:///etc/passwd', 'x.iso', 'https://u:p@a.test/x.iso'])(
    'is not taken from %s',
    (url) => expect(() => nameInUrl('a', url)).toThrow(),
  );

  it('is made as Proxmox makes it', () => {
    expect(normalised('a b/ü c.iso')).toBe('__c.iso');
    expect(normalised('../../etc/x.iso')).toBe('x.iso');
  });

  it('tells its content, and gets the ending of its format', () => {
    expect(['x.iso', 'x.img', 'x.tar.zst', 'x.qcow2', 'x.exe'].map(contentOfName)).toEqual([
      'iso',
      'iso',
      'vztmpl',
      'import',
      undefined,
    ]);
    expect(guessContent('x.iso.gz')).toBe('iso');
    expect(guessContent('x.tar.gz')).toBe('vztmpl');
    expect(nameFor('noble.img', 'import', undefined)).toBe('noble.qcow2');
    expect(nameFor('noble.img', 'iso', undefined)).toBe('noble.img');
    expect(nameFor('noble.raw.zst', 'import', 'zst')).toBe('noble.raw');
    expect(() => requireEnding('a', 'x.img', 'import')).toThrow('must end in .qcow2');
  });
});

describe('a checksum', () => {
  it('is told by its length', () => {
    expect([32, 40, 56, 64, 96, 128, 10].map((length) => algorithmOf('a'.repeat(length)))).toEqual([
      ...['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'],
      undefined,
    ]);
    expect(algorithmOf('g'.repeat(64))).toBeUndefined();
    expect(checksumData('A'.repeat(64))).toEqual({
      checksum: 'a'.repeat(64),
      'checksum-algorithm': 'sha256',
    });
    expect(checksumData(undefined)).toEqual({});
  });
});
