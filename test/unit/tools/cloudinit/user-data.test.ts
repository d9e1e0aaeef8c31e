import { expect, it } from 'vitest';
import { withoutPasswords } from '../../../../src/tools/cloudinit/user-data.ts';

it('leaves no password, and everything else', () => {
  const text = [
    '#cloud-config',
    'hostname: web-01',
    'user: ada',
    'password: $5$canary1',
    'ssh_authorized_keys:',
    '  - ssh-ed25519 AAAA ada',
    'chpasswd:',
    '  expire: False',
    '  list: |',
    '    root:canary2',
    '    ada:canary3',
    '  users:',
    '    - {name: bob, password: canary4, type: text}',
    'users:',
    '  - default',
    '  - name: eve',
    '    lock_passwd: false',
    '    hashed_passwd: "$6$canary5"',
    'write_files:',
    '  - path: /etc/app.conf',
    '    content: |',
    '      api_token: canary6',
    '      port: 80',
    'ssh_keys:',
    '  rsa_private: |',
    '    -----BEGIN RSA PRIVATE KEY-----',
    '    canary7',
    '    -----END RSA PRIVATE KEY-----',
    'runcmd:',
    '  - echo "-----BEGIN OPENSSH PRIVATE KEY-----',
    'canary8',
    '-----END OPENSSH PRIVATE KEY-----" > /root/k',
    '  - curl -u x {password: canary9}',
    'package_upgrade: true',
  ].join('\n');
  const shown = withoutPasswords(text);
  expect(shown).not.toContain('canary');
  for (const kept of ['hostname: web-01', '- ssh-ed25519 AAAA ada']) {
    expect(shown).toContain(kept);
  }
  expect(shown).toContain('lock_passwd: false');
  expect(shown).toContain('port: 80');
  expect(shown).toContain('package_upgrade: true');
  expect(shown).toContain('password: [redacted]');
});

it('reads what Windows is given', () => {
  const shown = withoutPasswords('{"hostname":"w","meta":{"admin_pass":"canary 1","admin_username":"ada"}}');
  expect(shown).toBe('{"hostname":"w","meta":{"admin_pass":[redacted],"admin_username":"ada"}}');
});

it('is quick with a long text', () => {
  const began = performance.now();
  withoutPasswords(`${'pass'.repeat(20_000)}\n${' '.repeat(60_000)}x\n${'a_'.repeat(30_000)}:`);
  expect(performance.now() - began).toBeLessThan(5000);
});
