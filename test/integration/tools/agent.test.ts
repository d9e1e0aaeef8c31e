import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Approvals } from '../../../src/access/approvals/approvals.ts';
import { defaultPolicy } from '../../../src/access/policy/policy.ts';
import { openState } from '../../../src/access/state.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { Redaction } from '../../../src/observability/redaction.ts';
import { type ClusterSpec, LOCAL_STORAGES } from '../../../src/simulator/estate.ts';
import { insideOf } from '../../../src/simulator/state/inside.ts';
import { principal } from '../../support/approvals.ts';
import { canaryWatch } from '../../support/canary-watch.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const agent = { agent: '1' };
const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }],
    storages: LOCAL_STORAGES,
    guests: [
      { vmid: 100, type: 'qemu', node: 'a1', name: 'web', status: 'running', config: agent },
      { vmid: 101, type: 'qemu', node: 'a1', name: 'off', config: agent },
      { vmid: 102, type: 'qemu', node: 'a1', name: 'dumb', status: 'running' },
      { vmid: 110, type: 'lxc', node: 'a1', name: 'dns', status: 'running' },
    ],
  },
];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

function insideWeb({ production }: ToolClient) {
  const guest = production.state.guests.get(100);
  if (guest === undefined) throw new Error('there is no VM 100');
  return insideOf(guest);
}

const execs = ({ production }: ToolClient) =>
  production.requests.filter(({ path }) => /\/agent\/(?:exec|file-read)$/.test(path));

describe('a guest without an agent that answers', () => {
  it('is told apart, with what to do, before anything is sent', async () => {
    const tools = await client();
    const calls: [string, Record<string, unknown>][] = [
      ['inspect_guest', {}],
      ['run_in_guest', { command: ['id'] }],
      ['read_guest_file', { file: '/etc/hosts' }],
      ['write_guest_file', { file: '/tmp/x', content: 'x' }],
      ['freeze_guest', { action: 'freeze' }],
      ['trim_guest', {}],
      ['set_guest_password', { username: 'root', password: 'nobody-reads-this' }],
    ];
    const hints = { off: 'power_guest', dumb: 'update_guest', dns: 'pct' };
    for (const [tool, args] of calls) {
      for (const [name, hint] of Object.entries(hints)) {
        expect((await tools.refused(tool, { name, ...args })).hint, `${tool} ${name}`).toContain(hint);
      }
    }
    expect(tools.production.requests.some(({ path }) => path.includes('/agent/'))).toBe(false);
  });

  it('because it is not installed, hears how to install it', async () => {
    const tools = await client();
    const message = 'QEMU guest agent is not running';
    await tools.production.faults.add({ kind: 'status', code: 500, match: /\/agent\//, message }).ready;
    expect(await tools.refused('inspect_guest', { name: 'web' })).toMatchObject({
      code: 'CONFLICT',
      hint: expect.stringContaining('qemu-guest-agent'),
    });
  });
});

describe('inspect_guest', () => {
  it('tells all of it in one answer', async () => {
    const tools = await client();
    const answer = await tools.call('inspect_guest', { name: 'web' });
    expect(answer).toMatchObject({
      guest: { vmid: 100, node: 'a1' },
      hostname: 'web',
      os: { id: 'debian', kernel: expect.any(String) },
      addresses: [{ nic: 'eth0', ips: [expect.stringContaining('198.51.100.')] }],
      file_systems: [{ mountpoint: '/', used_percent: 27 }],
      users: [{ user: 'root', login_at: expect.any(String) }],
      time: { zone: 'UTC', ahead_seconds: expect.any(Number) },
      agent: { version: '10.0.2' },
    });
    expect(answer.unread).toBeUndefined();
    expect(tools.writes()).toEqual([]);
  });

  it('asks for no more than is wanted, and loses no more than fails', async () => {
    const tools = await client();
    const match = /get-osinfo/;
    await tools.production.faults.add({ kind: 'status', code: 500, match, message: 'Agent error: x' }).ready;
    const answer = await tools.call('inspect_guest', { name: 'web', include: ['os', 'hostname'] });
    expect(answer).toMatchObject({ hostname: 'web', unread: [{ part: 'os' }] });
    const asked = tools.production.requests.filter(({ path }) => path.includes('/agent/'));
    expect(asked).toHaveLength(2);
  });
});

describe('run_in_guest', () => {
  it('runs a program with its arguments as they are, and gives what it wrote', async () => {
    const tools = await client();
    const args = ['a b', '$(id)', 'ü✓', '-n'];
    const answer = await tools.call('run_in_guest', { name: 'web', command: ['echo', ...args] });
    expect(answer).toMatchObject({ exited: true, exit_code: 0, stdout: `${args.join(' ')}\n` });
    expect(answer.stdout_truncated).toBeUndefined();
    const piped = { vmid: 100, command: ['cat'], input: 'from\nstdin' };
    expect(await tools.call('run_in_guest', piped)).toMatchObject({ stdout: 'from\nstdin' });
  });

  it('tells failures, signals and what is missing', async () => {
    const tools = await client();
    const run = (...command: string[]) => tools.call('run_in_guest', { name: 'web', command });
    expect(await run('false')).toMatchObject({ exited: true, exit_code: 1 });
    expect(await run('nonsense')).toMatchObject({
      exit_code: 127,
      stderr: expect.stringContaining('not found'),
    });
    const killed = await run('sh', '-c', 'kill -9 $$');
    expect(killed).toMatchObject({ exited: true, signal: 9 });
    expect(killed.exit_code).toBeUndefined();
  });

  it('leaves the middle out of long output, and cleans what a guest wrote', async () => {
    const tools = await client();
    insideWeb(tools).files['/log'] = `start${'x'.repeat(90_000)}end`;
    insideWeb(tools).files['/evil'] = 'red\u001b[31m\u202e text';
    const long = await tools.call('run_in_guest', { name: 'web', command: ['cat', '/log'] });
    expect(long).toMatchObject({ stdout_truncated: true, stdout_characters: 90_008 });
    expect(long.stdout.length).toBeLessThan(20_200);
    expect(long.stdout).toMatch(/^startx+\n\[… 70008 characters left out …\]\nx+end$/);
    const evil = await tools.call('run_in_guest', { name: 'web', command: ['cat', '/evil'] });
    expect(evil.stdout).toBe('red text');
    expect(await tools.text('run_in_guest', { name: 'web', command: ['cat', '/evil'] })).toContain(
      '"red text"',
    );
  });

  it('waits as long as told, and asks again for the end by its number', async () => {
    let now = Date.now();
    const tools = await client({ simulator: { clock: () => now } });
    const running = await tools.call('run_in_guest', {
      name: 'web',
      command: ['sleep', '60'],
      wait_seconds: 0,
    });
    expect(running).toMatchObject({ exited: false });
    expect(running.problem).toBeUndefined();
    now += 61_000;
    const { pid } = running;
    expect(await tools.call('run_in_guest', { name: 'web', pid })).toMatchObject({
      exited: true,
      exit_code: 0,
    });
    // The agent tells it once.
    expect((await tools.refused('run_in_guest', { name: 'web', pid })).message).toContain('does not exist');
    expect(execs(tools)).toHaveLength(1);
  });

  it('tells what was started where its end can not be asked', async () => {
    const tools = await client();
    await tools.production.faults.add({ kind: 'status', code: 500, match: /exec-status/, message: 'broken' })
      .ready;
    const answer = await tools.call('run_in_guest', { name: 'web', command: ['id'] });
    expect(answer).toMatchObject({
      exited: false,
      pid: expect.any(Number),
      problem: expect.stringContaining('broken'),
    });
    expect(execs(tools)).toHaveLength(1);
  });

  it('refuses what is no command', async () => {
    const tools = await client();
    const refusal = async (args: Record<string, unknown>) =>
      (await tools.refused('run_in_guest', { name: 'web', ...args })).code;
    expect(await refusal({})).toBe('INVALID_ARGUMENTS');
    expect(await refusal({ command: [] })).toBe('INVALID_ARGUMENTS');
    expect(await refusal({ command: 'id' })).toBe('INVALID_ARGUMENTS');
    expect(await refusal({ command: ['id'], pid: 5 })).toBe('INVALID_ARGUMENTS');
    expect(await refusal({ pid: 5, input: 'x' })).toBe('INVALID_ARGUMENTS');
    expect(await refusal({ command: ['cat'], input: 'ü'.repeat(40_000) })).toBe('INVALID_ARGUMENTS');
    expect(await refusal({ command: ['id'], name: 'web', vmid: 101 })).toBe('INVALID_ARGUMENTS');
    expect(execs(tools)).toEqual([]);
  });
});

describe('under the policy that holds by default', () => {
  async function guarded() {
    const approvals = new Approvals({
      state: openState(undefined),
      logger: pino({ level: 'silent' }),
      redaction: new Redaction(),
    });
    const tools = await client({ gateOptions: { policy: defaultPolicy(), approvals } });
    const approve = (number: number) =>
      approvals.decide(number, principal('carol', ['proxmox:approve']), 'approved');
    return { tools, approve };
  }

  it('nothing runs in a guest before a person has seen the command and said yes, once', async () => {
    const { tools, approve } = await guarded();
    const args = { name: 'web', command: ['sh', '-c', 'echo hello'] };
    const { code, plan } = await tools.refused('run_in_guest', args);
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(plan).toMatchObject({
      approval: 'person',
      calls: [{ path: '/nodes/a1/qemu/100/agent/exec', parameters: { command: ['sh', '-c', 'echo hello'] } }],
      guests: [{ vmid: 100, name: 'web' }],
    });
    expect(execs(tools)).toEqual([]);
    expect(insideWeb(tools).nextPid).toBe(1100);
    await approve(plan.number);
    // Another command is another matter; this one runs, and its end is part of it.
    expect((await tools.refused('run_in_guest', { ...args, command: ['id'] })).code).toBe(
      'APPROVAL_REQUIRED',
    );
    expect(execs(tools)).toEqual([]);
    expect(await tools.call('run_in_guest', args)).toMatchObject({ exited: true, stdout: 'hello\n' });
    expect((await tools.refused('run_in_guest', args)).code).toBe('APPROVAL_REQUIRED');
    expect(execs(tools)).toHaveLength(1);
  });

  it('so it is with files and passwords; looking, freezing and trimming need nobody', async () => {
    const { tools, approve } = await guarded();
    const password = 'canary-guest-pw-7f3a91c2d4';
    canaryWatch.watch('a password in a guest', password);
    const calls: [string, Record<string, unknown>][] = [
      ['read_guest_file', { file: '/etc/hosts' }],
      ['write_guest_file', { file: '/tmp/x', content: 'y' }],
      ['set_guest_password', { username: 'root', password }],
    ];
    const numbers: number[] = [];
    for (const [tool, args] of calls) {
      const { code, plan } = await tools.refused(tool, { name: 'web', ...args });
      expect(code, tool).toBe('APPROVAL_REQUIRED');
      expect(JSON.stringify(plan), tool).not.toContain('canary');
      numbers.push(plan.number);
      expect(tools.production.requests.some(({ path }) => path.includes('/agent/'))).toBe(false);
    }
    await approve(numbers.at(-1) ?? 0);
    const set = await tools.call('set_guest_password', { name: 'web', username: 'root', password });
    expect(JSON.stringify(set)).not.toContain('canary');
    expect(insideWeb(tools).passwords).toEqual({ root: { password, crypted: false } });
    await tools.call('inspect_guest', { name: 'web' });
    await tools.call('freeze_guest', { name: 'web', action: 'status' });
    await tools.call('trim_guest', { name: 'web' });
  });
});

describe('files in a guest', () => {
  it('are written and read as they are', async () => {
    const tools = await client();
    const write = { name: 'web', file: '/etc/app.conf', content: 'name = "x"\n' };
    expect(await tools.call('write_guest_file', write)).toMatchObject({ bytes: 11 });
    expect(insideWeb(tools).files['/etc/app.conf']).toBe(write.content);
    const wide = 'Grüße ✓\n';
    await tools.call('write_guest_file', { ...write, content: wide });
    expect(insideWeb(tools).files['/etc/app.conf']).toBe(wide);
    const base64 = { ...write, content: Buffer.from('raw').toString('base64'), encoding: 'base64' };
    expect(await tools.call('write_guest_file', base64)).toMatchObject({ bytes: 3 });
    expect(insideWeb(tools).files['/etc/app.conf']).toBe('raw');
    expect(await tools.call('read_guest_file', { name: 'web', file: '/etc/app.conf' })).toMatchObject({
      content: 'raw',
      encoding: 'utf-8',
      bytes: 3,
    });
    expect((await tools.refused('read_guest_file', { name: 'web', file: '/nope' })).code).toBe('NOT_FOUND');
  });

  it('that do not fit are refused before anything leaves', async () => {
    const tools = await client();
    const refusal = async (args: Record<string, unknown>) =>
      (await tools.refused('write_guest_file', { name: 'web', file: '/x', ...args })).message;
    expect(await refusal({ content: 'x'.repeat(61_441) })).toContain('61441 bytes');
    expect(await refusal({ content: 'ü'.repeat(25_000) })).toContain('50000 bytes');
    expect(await refusal({ content: 'no base64!', encoding: 'base64' })).toContain('Base64');
    expect(tools.writes()).toEqual([]);
  });

  const OLD = new Catalogue({
    source: 'built-in',
    label: 'of the test',
    version: '8.4',
    methods: loadBuiltInCatalogue().methods,
  });

  it.each([
    ['9.x', {}],
    ['8.x', { schema: OLD }],
  ])('are read in parts that lose no character, on %s', async (_version, simulator) => {
    const tools = await client({ simulator });
    const whole = `${'Grüße ✓ '.repeat(20)}end`;
    insideWeb(tools).files['/big'] = whole;
    let content = '';
    let offset: number | undefined = 0;
    while (offset !== undefined) {
      const part: { content: string; encoding: string; next_offset?: number } = await tools.call(
        'read_guest_file',
        { name: 'web', file: '/big', offset, max_bytes: 64 },
      );
      expect(part.encoding).toBe('utf-8');
      content += part.content;
      offset = part.next_offset;
    }
    expect(content).toBe(whole);
  });
});

describe('freeze_guest', () => {
  it('freezes, warns, and thaws', async () => {
    const tools = await client();
    const frozen = await tools.call('freeze_guest', { name: 'web', action: 'freeze' });
    expect(frozen).toMatchObject({ frozen: true, file_systems: 1, note: expect.stringContaining('thaw') });
    expect(insideWeb(tools).frozen).toBe(true);
    expect(await tools.call('freeze_guest', { name: 'web', action: 'status' })).toMatchObject({
      frozen: true,
    });
    const refused = await tools.refused('run_in_guest', { name: 'web', command: ['id'] });
    expect(refused.hint).toContain('freeze_guest');
    const thawed = await tools.call('freeze_guest', { name: 'web', action: 'thaw' });
    expect(thawed).toMatchObject({ frozen: false });
    expect(thawed.note).toBeUndefined();
    expect(insideWeb(tools).frozen).toBe(false);
  });
});

describe('trim_guest', () => {
  it('tells what each file system gave back', async () => {
    const tools = await client();
    expect(await tools.call('trim_guest', { name: 'web' })).toMatchObject({
      trimmed_bytes: 0,
      paths: [{ path: '/', trimmed_bytes: 0 }],
    });
    expect(tools.writes().map(({ path }) => path.split('/').at(-1))).toEqual(['fstrim']);
  });
});

describe('set_guest_password', () => {
  it('takes a password or its hash, and mixes them not up', async () => {
    const tools = await client();
    const set = (password: string, crypted?: boolean) => ({
      name: 'web',
      username: 'root',
      password,
      crypted,
    });
    const hash = '$6$saltsalt$Zo5jrCkHkzvbRw9vCbNcCqqZ';
    expect((await tools.refused('set_guest_password', set(hash))).message).toContain('crypt hash');
    expect((await tools.refused('set_guest_password', set('plain-secret-word', true))).message).toContain(
      '$6$',
    );
    expect((await tools.refused('set_guest_password', set('four'))).code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toEqual([]);
    await tools.call('set_guest_password', set(hash, true));
    expect(insideWeb(tools).passwords).toEqual({ root: { password: hash, crypted: true } });
  });

  it('gives no password away where the agent repeats it', async () => {
    const tools = await client();
    const password = 'canary-repeated-91c2d47f3a';
    canaryWatch.watch('a password in a guest', password);
    const message = `Agent error: chpasswd: root:${password} rejected`;
    await tools.production.faults.add({ kind: 'status', code: 500, match: /set-user-password/, message })
      .ready;
    const error = await tools.refused('set_guest_password', { name: 'web', username: 'root', password });
    expect(error.message).toContain('rejected');
    expect(JSON.stringify(error)).not.toContain(password);
  });
});
