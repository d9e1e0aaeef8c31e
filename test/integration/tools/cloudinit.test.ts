import { describe, expect, it } from 'vitest';
import { policyWith } from '../../support/gate.ts';
import { type ToolClient, toolClient } from '../../support/tool-client.ts';

const ONE = { clusters: ['production'] };
const KEY = `ssh-ed25519 ${'AAAAC3NzaC1lZDI1NTE5AAAAI'.padEnd(68, 'x')} ada@example.org`;

/** A VM with a drive for cloud-init, that runs. */
async function withDrive(options: Parameters<typeof toolClient>[0] = {}): Promise<ToolClient> {
  const client = await toolClient({ ...ONE, ...options });
  const guest = client.production.state.guests.get(100);
  if (guest === undefined) throw new Error('the estate has no VM 100');
  Object.assign(guest.config, {
    ide2: 'local-lvm:vm-100-cloudinit,media=cdrom',
    net1: 'virtio=BC:24:11:00:00:01,bridge=vmbr1',
  });
  guest.cloudinit = {};
  return client;
}

const configOf = ({ production }: ToolClient) => production.state.guests.get(100)?.config ?? {};

describe('set_cloudinit', () => {
  it('sets user, password, keys, addresses and DNS, and regenerates the drive of a running VM', async () => {
    const client = await withDrive();
    const answer = await client.call('set_cloudinit', {
      name: 'web-01',
      user: 'ada',
      password: 'canary-password-1',
      ssh_keys: [KEY, `${KEY}-2`],
      addresses: [
        { ip: '192.0.2.10/24', gw: '192.0.2.1', ip6: 'auto' },
        { nic: 'net1', ip: 'dhcp', gw: null },
      ],
      nameservers: ['192.0.2.53', '2001:db8::53'],
      search_domain: 'example.org',
      upgrade: false,
    });
    expect(answer).toMatchObject({ guest: { vmid: 100 }, regenerated: true });
    expect(answer.note).toContain('next start');
    expect(JSON.stringify(answer)).not.toContain('canary');
    const config = configOf(client);
    expect(config).toMatchObject({
      ciuser: 'ada',
      cipassword: 'canary-password-1',
      ipconfig0: 'ip=192.0.2.10/24,gw=192.0.2.1,ip6=auto',
      ipconfig1: 'ip=dhcp',
      nameserver: '192.0.2.53 2001:db8::53',
      searchdomain: 'example.org',
      ciupgrade: 0,
    });
    // Encoded once, in what Proxmox keeps.
    expect(decodeURIComponent(String(config.sshkeys))).toBe(`${KEY}\n${KEY}-2`);
    expect(client.production.state.guests.get(100)?.cloudinit).toMatchObject({ ciuser: 'ada' });
    expect(client.writes().map(({ path }) => path)).toEqual([
      '/api2/json/nodes/pve1/qemu/100/config',
      '/api2/json/nodes/pve1/qemu/100/cloudinit',
    ]);
  });

  it('keeps what is not named, drops a gateway with its address, and removes', async () => {
    const client = await withDrive();
    Object.assign(configOf(client), {
      ipconfig0: 'ip=192.0.2.10/24,gw=192.0.2.1,ip6=auto',
      ciuser: 'x',
      sshkeys: 'a',
    });
    await client.call('set_cloudinit', {
      vmid: 100,
      addresses: [{ ip: 'dhcp' }],
      remove: ['ssh_keys', 'password'],
    });
    expect(configOf(client)).toMatchObject({ ipconfig0: 'ip=dhcp,ip6=auto', ciuser: 'x' });
    expect(configOf(client)).not.toHaveProperty('sshkeys');
  });

  it('regenerates nothing for a VM that is stopped, and says so of one without a drive', async () => {
    const client = await toolClient(ONE);
    const answer = await client.call('set_cloudinit', { vmid: 100, user: 'ada' });
    expect(answer).toMatchObject({ regenerated: false });
    expect(answer.note).toContain('no cloud-init drive');
    expect(client.writes()).toHaveLength(1);
  });

  it('asks once for both of its writes', async () => {
    const { refused, call, writes } = await withDrive({ gateOptions: { policy: policyWith('self') } });
    const args = { vmid: 100, user: 'ada', password: 'canary-password-2' };
    const { plan } = await refused('set_cloudinit', args);
    expect(plan.calls).toHaveLength(2);
    expect(JSON.stringify(plan)).not.toContain('canary');
    expect(writes()).toEqual([]);
    await call('set_cloudinit', { ...args, handle: plan.handle });
    expect(writes()).toHaveLength(2);
  });

  it('refuses what is wrong before anything leaves, and repeats no private key', async () => {
    const { refused, production, writes } = await withDrive();
    const cases: [Record<string, unknown>, string][] = [
      [{ addresses: [{ ip: '192.0.2.10' }] }, '192.0.2.10/24'],
      [{ addresses: [{ gw: '192.0.2.1' }] }, 'needs a fixed ip'],
      [{ addresses: [{ ip: 'dhcp', gw: '192.0.2.1' }] }, 'needs a fixed ip'],
      [{ addresses: [{ nic: 'net7', ip: 'dhcp' }] }, 'it has net0, net1'],
      [{ addresses: [{ ip: 'dhcp' }, { nic: 'net0', ip: 'dhcp' }] }, 'twice'],
      [{ ssh_keys: ['-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n'] }, 'no public SSH key'],
      [{ nameservers: ['dns.example.org'] }, 'is no IP address'],
      [{ user: 'ada', remove: ['user'] }, 'is to be removed'],
      [{ remove: ['everything'] }, 'is none of user'],
      [{}, 'Nothing to change'],
    ];
    for (const [args, message] of cases) {
      const error = await refused('set_cloudinit', { vmid: 100, ...args });
      expect(`${error.message} ${error.hint}`, message).toContain(message);
      expect(JSON.stringify(error)).not.toContain('canary');
    }
    const { vmid } = [...production.state.guests.values()].find(({ type }) => type === 'lxc') ?? {};
    const container = await refused('set_cloudinit', { vmid, user: 'ada' });
    expect(container.message).toContain('VMs alone can be set up by cloud-init');
    expect(writes()).toEqual([]);
  });
});

describe('get_cloudinit', () => {
  it('shows the settings without the password, what waits, and what the guest reads', async () => {
    const client = await withDrive();
    Object.assign(configOf(client), {
      ciuser: 'ada',
      cipassword: 'canary-password-3',
      sshkeys: encodeURIComponent(`${KEY}\n`),
      ipconfig0: 'ip=192.0.2.10/24,gw=192.0.2.1',
    });
    const answer = await client.call('get_cloudinit', { name: 'web-01', generated: true });
    expect(answer).toMatchObject({
      drive: 'ide2',
      user: 'ada',
      password: 'set',
      ssh_keys: [KEY],
      addresses: [{ nic: 'net0', ip: '192.0.2.10/24', gw: '192.0.2.1' }],
    });
    expect(answer.not_on_drive).toEqual(
      expect.arrayContaining(['cipassword', 'ciuser', 'ipconfig0', 'sshkeys']),
    );
    expect(answer.generated.user).toContain('user: ada');
    expect(answer.generated.user).toContain('password: [redacted]');
    expect(answer.generated.network).toContain('192.0.2.10/24');
    expect(JSON.stringify(answer)).not.toMatch(/canary|simulated\$|\$5\$/);
    expect(client.writes()).toEqual([]);
    const plain = await client.call('get_cloudinit', { vmid: 100 });
    expect(plain.generated).toBeUndefined();
  });

  it('gives the settings to who may not read what is secret, and names what is missing', async () => {
    const { call } = await withDrive({ scope: 'proxmox:read' });
    const answer = await call('get_cloudinit', { vmid: 100, generated: true });
    expect(answer.drive).toBe('ide2');
    expect(Object.keys(answer.unread)).toEqual(['user', 'network', 'meta']);
    expect(answer.unread.user).toContain('proxmox:secret');
  });
});

describe('regenerate_cloudinit', () => {
  it('writes what waits to the drive', async () => {
    const client = await withDrive();
    configOf(client).ciuser = 'ada';
    const answer = await client.call('regenerate_cloudinit', { vmid: 100, name: 'web-01' });
    expect(answer).toMatchObject({ drive: 'ide2', written: expect.arrayContaining(['ciuser']) });
    expect(client.production.state.guests.get(100)?.cloudinit).toMatchObject({ ciuser: 'ada' });
    expect((await client.call('regenerate_cloudinit', { vmid: 100 })).written).toEqual([]);
  });

  it('refuses a VM without a drive', async () => {
    const { refused, writes } = await toolClient(ONE);
    const error = await refused('regenerate_cloudinit', { vmid: 100 });
    expect(error).toMatchObject({ code: 'CONFLICT' });
    expect(error.hint).toContain('cloudinit');
    expect(writes()).toEqual([]);
  });
});
