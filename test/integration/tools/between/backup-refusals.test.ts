import { expect, it } from 'vitest';
import { betweenClient } from '../../../support/backup-to-cluster.ts';

/** Nothing but GET reaches any cluster, whichever of these is asked for. */
const REFUSED: readonly [what: string, args: Record<string, unknown>, code: string, words: RegExp][] = [
  ['a locked guest', { name: 'busy' }, 'CONFLICT', /locked \(backup\).*Wait for what works on it/],
  [
    'disks without room',
    { name: 'huge' },
    'CONFLICT',
    /Its disks have 600 GiB, and disks on a1 has [\d.]+ GiB free/,
  ],
  ['more vCPUs than the node has', { name: 'broad', start: true }, 'CONFLICT', /64 vCPUs and a1 has 8 CPUs/],
  [
    'a device of the old node',
    { name: 'gpu', start: true },
    'CONFLICT',
    /devices of its old node \(hostpci0\)/,
  ],
  [
    'a taken VMID',
    { name: 'idle', target_vmid: 300 },
    'CONFLICT',
    /away has 300 already: resident on a1.*nothing is overwritten/,
  ],
  [
    'a node that is not there',
    { name: 'idle', target_node: 'a9' },
    'CONFLICT',
    /The node a9 of away is no node of it.*Pass target_node: a1/,
  ],
  [
    'a storage that takes no disks',
    { name: 'idle', storage: 'local' },
    'CONFLICT',
    /The storage local of away takes no images on a1|Pass storage: disks/,
  ],
  [
    'a bridge that is not there',
    { name: 'idle', bridge_map: { vmbr0: 'vmbr5' } },
    'CONFLICT',
    /a1 of away has no bridge vmbr5/,
  ],
  [
    'addresses without cloud-init',
    { name: 'idle', addresses: [{ ip: 'dhcp' }] },
    'CONFLICT',
    /no cloud-init drive/,
  ],
  [
    'an address of a NIC that is not there',
    { name: 'dns', addresses: [{ nic: 'net3', ip: 'dhcp' }] },
    'CONFLICT',
    /no NIC net3; it has net0/,
  ],
  [
    'a copy beside its running source',
    { name: 'shop', start: true },
    'CONFLICT',
    /source is running, and the copy may not run beside it.*stop_source: true/,
  ],
  [
    'another storage for the backup',
    { name: 'idle', backup_storage: 'local' },
    'CONFLICT',
    /local of home is no storage for backups that away sees, too.*Pass backup_storage: dumps/,
  ],
  [
    'no common storage',
    { name: 'idle', to: 'lonely' },
    'CONFLICT',
    /home and lonely share no storage for backups/,
  ],
  [
    'the own cluster',
    { name: 'idle', to: 'home' },
    'INVALID_ARGUMENTS',
    /home is both where the guest is and where it is to go/,
  ],
  ['an unknown cluster', { name: 'idle', to: 'nowhere' }, 'CLUSTER_NOT_FOUND', /nowhere/],
  ['an unknown guest', { name: 'nobody' }, 'NOT_FOUND', /nobody/],
  [
    'a backup that is not there',
    { volid: 'from-home:backup/vzdump-qemu-201-2026_01_01-00_00_00.vma.zst' },
    'NOT_FOUND',
    /away has no backup/,
  ],
  [
    'a backup with stop_source',
    { volid: 'from-home:backup/vzdump-qemu-201-2026_01_01-00_00_00.vma.zst', stop_source: true },
    'INVALID_ARGUMENTS',
    /volid names a backup that is there/,
  ],
  ['no guest', {}, 'INVALID_ARGUMENTS', /Neither name nor vmid/],
];

it('refuses all of these, each with what to do, and nothing but GET reaches any cluster', async () => {
  const client = await betweenClient();
  for (const [what, args, code, words] of REFUSED) {
    const error = await client.startRefused(args);
    expect(`${error.message} ${error.hint}`, what).toMatch(words);
    expect(error.code, what).toBe(code);
    expect(client.sent(), what).toEqual([]);
  }
});

it('names all that is in the way at once, and check says the same', async () => {
  const client = await betweenClient();
  const args = {
    name: 'gpu',
    start: true,
    target_vmid: 300,
    storage: 'none',
    bridge_map: { vmbr0: 'vmbr9' },
  };
  const error = await client.startRefused(args);
  expect(error.message).toMatch(/^4 findings against it: \(1\).*\(2\).*\(3\).*\(4\)/);
  const { status, findings } = await client.check(args);
  expect(status).toBe('blocked');
  for (const { severity, what, do: advice } of findings) {
    if (severity !== 'blocks') continue;
    expect(error.message).toContain(what);
    expect(advice).not.toBe('');
  }
  expect(client.sent()).toEqual([]);
});

it('names the privileges that either token lacks, with the line that grants each', async () => {
  const client = await betweenClient();
  for (const name of ['home', 'away']) {
    const { state, tokenId, user } = client.simulator.cluster(name);
    const { acl } = state.access;
    acl.splice(
      0,
      acl.length,
      ...[user, `${user}!${tokenId}`].map((ugid) => ({ path: '/', ugid, role: 'PVEAuditor' })),
    );
  }
  const error = await client.startRefused({ name: 'idle' });
  for (const words of [
    'The token of home lacks VM.Backup on /vms/201',
    'pveum acl modify /vms/201 --tokens USER@REALM!NAME --roles PVEVMUser',
    'The token of away lacks VM.Allocate on /vms/201',
    'The token of away lacks Datastore.AllocateSpace on /storage/disks',
  ])
    expect(error.message).toContain(words);
  expect(client.sent()).toEqual([]);
});

it('sends nothing where either cluster is read-only', async () => {
  for (const readOnly of ['home', 'away']) {
    const client = await betweenClient({ config: ({ name }) => ({ readOnly: name === readOnly }) });
    const error = await client.startRefused({ name: 'idle' });
    expect(error.code).toBe('POLICY_DENIED');
    expect(error.message).toContain(`${readOnly} is read-only here`);
    expect(client.sent()).toEqual([]);
  }
});

it('sends nothing while the target can not be reached, whatever its fallback is', async () => {
  const client = await betweenClient({
    config: ({ name }) => (name === 'away' ? { fallback: 'lonely' } : {}),
  });
  await client.simulator.cluster('away').stop();
  const error = await client.startRefused({ name: 'idle' });
  expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', cluster: 'away' });
  expect(client.sent()).toEqual([]);
});
