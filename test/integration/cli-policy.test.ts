import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CliProcess } from './cli-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-policy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const EXAMPLE = resolve(import.meta.dirname, '../../policy.example.json');
const run = (args: string, env: Record<string, string> = { POLICY_FILE: EXAMPLE }) =>
  new CliProcess(['policy', ...args.split(' ')], { cwd: folder, env }).ended;

describe('policy test', () => {
  it('explains a decision, and ends with it', async () => {
    const allowed = await run('test --as alice POST /nodes/pve1/qemu/100/status/stop');
    expect(allowed.code).toBe(0);
    expect(allowed.stdout).toMatch(/^allowed: POST \/nodes\/pve1\/qemu\/100\/status\/stop/);
    expect(allowed.stdout).toMatch(/rule by rule:\n {2}principals\[0\] \(subject alice\): matches/);
    const denied = await run(
      'test --as bob --group team-a --guest 200:x::other --json GET /nodes/n/qemu/200/config',
    );
    expect(denied.code).toBe(1);
    expect(JSON.parse(denied.stdout)).toMatchObject({
      allowed: false,
      rule: 'the binding to tenants',
      call: { subject: 'bob', risks: ['read'] },
    });
  });

  it('takes parameters, cluster, scopes and guests', async () => {
    const line = '--cluster production --guest 150:w-1:web PUT /nodes/n/qemu/150/config delete=scsi1';
    const { stdout, code } = await run(`test --as alice --json ${line}`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      allowed: true,
      approval: 'second',
      call: { risks: ['change', 'destroy'] },
    });
    const scoped = await run(`test --as alice --scope proxmox:change ${line}`);
    expect(scoped.code).toBe(1);
    expect(scoped.stdout).toContain('does not hold proxmox:destroy');
  });

  it('says where a person has to approve', async () => {
    const principals = [{ match: { subject: '*' }, roles: 'admin' }];
    const file = join(folder, 'elsewhere.json');
    writeFileSync(file, JSON.stringify({ principals, approval: { at_client: false } }));
    const { stdout, code } = await run('test --file elsewhere.json --as alice DELETE /nodes/n/qemu/100');
    expect(code).toBe(0);
    expect(stdout).toMatch(/approval +person: .*a credential that holds proxmox:approve; not at the client/);
    expect(stdout).toContain("approval at the caller's own client: no, as the file says");
    const json = await run('test --file elsewhere.json --json --as alice DELETE /nodes/n/qemu/100');
    expect(JSON.parse(json.stdout)).toMatchObject({ approval: 'person', at_client: false });
    expect((await run('check elsewhere.json')).stdout).toContain('"at_client":false');
  });

  it.each([
    ['test --as alice PATCH /nodes', /is no method/],
    ['test --as alice GET /nodes/../access', /path was refused/],
    ['test --as alice GET /nodes novalue', /is no parameter/],
    ['test --as alice --guest web-1 GET /nodes', /has no VMID/],
    ['test --as alice --tool list_nods GET /nodes', /Did you mean "list_nodes"/],
    ['test --as alice --bulk many GET /nodes', /no number of changes/],
    ['test --as alice --scope proxmox:all GET /nodes', /scope/],
    ['test GET /nodes', /--as/],
  ])('%s is refused', async (args, message) => {
    const { code, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('policy check and show', () => {
  it('say who gets what', async () => {
    const check = await run('check');
    expect(check.code).toBe(0);
    expect(check.stdout).toMatch(/group team-a: operator .*only guests of pools team-a/);
    const show = await run('show --as alice');
    expect(show.stdout).toMatch(/deny destroy, execute of guests/);
    expect(show.stdout).toMatch(/tools: .*list_nodes/);
    const none = await run('show --as nobody --json');
    expect(JSON.parse(none.stdout)).toMatchObject({ tools: [] });
  });

  it('name what is wrong, with its line', async () => {
    writeFileSync(join(folder, 'wrong.json'), '{\n  "principals": [],\n  "rolse": {}\n}');
    const { code, stderr } = await run('check --file wrong.json');
    expect(code).toBe(2);
    expect(stderr).toMatch(/wrong\.json, rolse: line 3: is not a known key\. Did you mean "roles"/);
    expect((await run('check wrong.json')).stderr).toBe(stderr);
    expect((await run('check wrong.json --file wrong.json')).stderr).toMatch(/Give the file once/);
    expect((await run('check', {})).stderr).toMatch(/POLICY_FILE is not set/);
    const absent = await run('show --as alice --file zz');
    expect(absent.stderr).toMatch(/--file: .*zz can't be read/);
    expect(absent.stderr).not.toContain('POLICY_FILE');
  });

  it('say of a tenant what binds it, and nothing of what does not', async () => {
    const principals = [{ match: { subject: 'a' }, roles: 'viewer', tenant: { tags: 'web' } }];
    writeFileSync(join(folder, 'tenant.json'), JSON.stringify({ principals }));
    const { stdout } = await run('show --as a --file tenant.json');
    expect(stdout).toContain('  only guests with tag web\n');
  });
});
