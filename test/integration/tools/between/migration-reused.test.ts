import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type MigrationClient, migrationClient } from '../../../support/migration-site.ts';
import { policyOf } from '../../../support/policy.ts';
import { NO_APPROVAL } from '../../../support/tool-site.ts';

const FREE = policyOf({ principals: [{ match: { subject: '*' }, roles: 'admin' }], approval: NO_APPROVAL });
const MOVE = { vmid: 101, action: 'start' };
const DELETE = { vmid: 101, action: 'delete_source' };
const CANCEL = { vmid: 101, action: 'cancel', wait_seconds: 5 };

const home = ({ simulator }: MigrationClient) => simulator.cluster('home');
const away = ({ simulator }: MigrationClient) => simulator.cluster('away');

describe('delete_source whose request never arrived', () => {
  it('compares anew: a source whose copy is gone by now is all that there is', async () => {
    const client = await migrationClient({ gateOptions: { policy: FREE } });
    await client.approved(MOVE);
    const cut = home(client).faults.add({ kind: 'close', match: /^DELETE .*qemu\/101$/ });
    const { plan } = await client.fails(DELETE);
    await client.fails({ ...DELETE, handle: plan.handle });
    await cut.remove();
    expect(client.home(101)).toBeDefined();

    away(client).state.guests.delete(101);
    const now = Date.now;
    const later = vi.spyOn(Date, 'now').mockImplementation(() => now() + 60_000);
    onTestFinished(() => later.mockRestore());
    const refused = await client.fails(DELETE);
    expect(refused).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('not verified') });
    expect(client.home(101)).toBeDefined();
  });
});

it('delete_source leaves a guest alone that got VMID and name of one that moved, without a NIC', async () => {
  const client = await migrationClient({ gateOptions: { policy: FREE } });
  await client.approved(MOVE);
  const source = client.home(101);
  source.config = { name: 'db-01', memory: '512', cores: '1' };
  const refused = await client.fails(DELETE);
  expect(refused).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('may be not the guest'),
  });
  expect(client.home(101)).toBe(source);
});

describe('a move that failed', () => {
  async function failed(client: MigrationClient) {
    home(client).faults.add({ kind: 'task-error', match: /remote_migrate/, times: 1 });
    const { plan, code, message } = await client.fails({ ...MOVE, target_vmid: 150 });
    expect(code, message).toBe('APPROVAL_REQUIRED');
    await client.fails({ ...MOVE, target_vmid: 150, handle: plan.handle });
  }

  it('leaves what somebody made under its VMID since then, though it has no name and no NIC', async () => {
    const client = await migrationClient({ gateOptions: { policy: FREE } });
    await failed(client);
    const path = '/nodes/a2/qemu';
    const made = { cluster: 'away', method: 'POST', path, data: { vmid: 150, memory: 512 } };
    await client.call('proxmox_api_call', made);
    expect(client.away(150)).toBeDefined();
    const answer = await client.move(CANCEL);
    expect(answer).toMatchObject({ status: 'cancelled', next: expect.stringContaining('left alone') });
    expect(client.away(150)).toBeDefined();
  });
});

it('cancel leaves a copy alone that a running VM may have gone on in: the source does not run', async () => {
  const client = await migrationClient({ gateOptions: { policy: FREE } });
  home(client).faults.add({ kind: 'task-error', match: /remote_migrate/, times: 1 });
  const move = { vmid: 100, action: 'start', target_vmid: 150 };
  const { plan } = await client.fails(move);
  await client.fails({ ...move, handle: plan.handle });
  const source = client.home(100);
  const { inside: _inside, ...plain } = source;
  const copy: typeof source = { ...structuredClone(plain), vmid: 150, node: 'a2', status: 'stopped' };
  away(client).state.guests.set(150, copy);
  source.status = 'stopped';
  const answer = await client.move({ ...CANCEL, vmid: 100 });
  expect(answer).toMatchObject({ status: 'left_over', next: expect.stringContaining('never run both') });
  expect(client.away(150)).toBe(copy);
});

it('a move whose copy was deleted again does not stand in the way of another', async () => {
  const client = await migrationClient({ gateOptions: { policy: FREE } });
  const { faults, state } = away(client);
  const cut = faults.add({ kind: 'status', code: 500, match: /GET .*qemu\/101\/config/ });
  expect(await client.approved(MOVE)).toMatchObject({ status: 'unverified' });
  await cut.remove();
  state.guests.delete(101);
  expect(await client.approved(MOVE)).toMatchObject({ status: 'moved' });
  expect(client.lines()).toHaveLength(2);
});
