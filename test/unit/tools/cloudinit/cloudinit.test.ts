import { describe, expect, it } from 'vitest';
import {
  addressesParam,
  addressOptions,
  driveOf,
  keysParam,
  keysText,
  shownAddresses,
  shownKeys,
} from '../../../../src/tools/cloudinit/cloudinit.ts';

const NICS = { net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0', net2: 'virtio=BC:24:11:00:00:02' };
const ED = `ssh-ed25519 ${'A'.repeat(68)} ada@host`;

describe('addresses in words', () => {
  it.each([
    [[{ ip: 'dhcp' }], { ipconfig0: 'ip=dhcp' }],
    [[{ ip: '192.0.2.9/24', gw: '192.0.2.1' }], { ipconfig0: 'ip=192.0.2.9/24,gw=192.0.2.1' }],
    [[{ nic: 'net2', ip6: 'auto' }], { ipconfig2: 'ip6=auto' }],
    [
      [
        { ip6: '2001:db8::9/64', gw6: '2001:db8::1' },
        { nic: 'net2', ip: 'dhcp' },
      ],
      { ipconfig0: 'ip6=2001:db8::9/64,gw6=2001:db8::1', ipconfig2: 'ip=dhcp' },
    ],
  ])('%o are %o', (words, options) => expect(addressOptions(words, NICS)).toEqual(options));

  it('leave what they do not name, but no gateway of another address', () => {
    const present = { ...NICS, ipconfig0: 'ip=192.0.2.9/24,gw=192.0.2.1,ip6=auto' };
    expect(addressOptions([{ ip6: 'dhcp' }], present)).toEqual({
      ipconfig0: 'ip=192.0.2.9/24,gw=192.0.2.1,ip6=dhcp',
    });
    expect(addressOptions([{ ip: '198.51.100.9/24' }], present)).toEqual({
      ipconfig0: 'ip=198.51.100.9/24,ip6=auto',
    });
    expect(addressOptions([{ gw: '192.0.2.2' }], present)).toEqual({
      ipconfig0: 'ip=192.0.2.9/24,gw=192.0.2.2,ip6=auto',
    });
  });

  it('need a NIC that is there, an address for a gateway, and to say something', () => {
    expect(() => addressOptions([{ nic: 'net1', ip: 'dhcp' }], NICS)).toThrow('it has net0, net2');
    expect(() => addressOptions([{ gw: '192.0.2.1' }], NICS)).toThrow('needs a fixed ip');
    expect(() => addressOptions([{ ip6: 'auto', gw6: '2001:db8::1' }], NICS)).toThrow('needs a fixed ip6');
    expect(() => addressOptions([{}], NICS)).toThrow('Nothing is said');
  });

  it.each([
    { ip: '192.0.2.9' },
    { ip: 'x,gw=1' },
    { gw: '192.0.2.0/24' },
    { ip6: '192.0.2.9/24' },
    { nick: 'net0' },
  ])('are refused as %o', (words) => expect(addressesParam.safeParse([words]).success).toBe(false));

  it('are shown as they are given', () => {
    expect(shownAddresses({ ipconfig0: 'ip=dhcp', ipconfig1: 'ip=192.0.2.9/24,gw=192.0.2.1' })).toEqual([
      { nic: 'net0', ip: 'dhcp' },
      { nic: 'net1', ip: '192.0.2.9/24', gw: '192.0.2.1' },
    ]);
  });
});

describe('SSH keys', () => {
  it('are encoded once, each on a line', () => {
    const text = keysText([`${ED}\n# a comment\n\n${ED}-2 `]);
    expect(text).toMatch(/^[-%a-zA-Z0-9_.!~*'()]+$/);
    expect(decodeURIComponent(text ?? '')).toBe(`${ED}\n${ED}-2`);
    expect(keysText([])).toBeUndefined();
    expect(shownKeys(text)).toEqual([ED, `${ED}-2`]);
    expect(shownKeys('%zz')).toEqual(['%zz']);
  });

  it('have to be public', () => {
    const fits = (key: string) => keysParam.safeParse([key]).success;
    expect(fits(ED)).toBe(true);
    expect(fits(`no-pty,command="x" ${ED}`)).toBe(true);
    expect(fits(`ecdsa-sha2-nistp256 ${'A'.repeat(80)}=`)).toBe(true);
    expect(fits('-----BEGIN OPENSSH PRIVATE KEY-----')).toBe(false);
    expect(fits(`${ED}\n-----BEGIN RSA PRIVATE KEY-----`)).toBe(false);
    expect(fits('ada')).toBe(false);
  });
});

describe('the drive', () => {
  it('is found wherever it is', () => {
    expect(driveOf({ ide2: 'local-lvm:vm-100-cloudinit,media=cdrom,size=4M' })).toBe('ide2');
    expect(driveOf({ scsi5: 'nas:100/vm-100-cloudinit.qcow2,media=cdrom' })).toBe('scsi5');
    expect(driveOf({ ide0: 'local-lvm:cloudinit' })).toBe('ide0');
    expect(
      driveOf({ ide2: 'local:iso/cloudinit-tools.iso,media=cdrom', name: 'vm-1-cloudinit' }),
    ).toBeUndefined();
  });
});
