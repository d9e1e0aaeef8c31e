import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ApprovalRequiredError, type ShownPlan } from '../../../src/access/approvals/plan.ts';
import { plannedParameters, shownParameters, withoutGiven } from '../../../src/access/shown-parameters.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Redaction } from '../../../src/observability/redaction.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import type { HttpMethod } from '../../../src/proxmox/call.ts';
import { CallError } from '../../../src/proxmox/errors.ts';

const catalogue = loadBuiltInCatalogue();
const CANARY = 'c4n4ry-parameter-0001';

function shown(method: HttpMethod, path: string, data: Record<string, unknown>, redaction = new Redaction()) {
  return shownParameters(catalogue, { method, path: parseApiPath(path), data }, redaction);
}

describe('a parameter that is a secret is hidden', () => {
  it.each<[HttpMethod, string, string]>([
    ['POST', '/access/users', 'password'],
    ['PUT', '/access/password', 'confirmation-password'],
    ['POST', '/access/users', 'keys'],
    ['POST', '/access/tfa/alice@pve', 'totp'],
    ['POST', '/access/tfa/alice@pve', 'value'],
    ['POST', '/access/ticket', 'tfa-challenge'],
    ['POST', '/access/domains', 'client-key'],
    ['PUT', '/nodes/pve1/qemu/100/config', 'cipassword'],
    ['POST', '/nodes/pve1/qemu/100/agent/set-user-password', 'password'],
    ['POST', '/nodes/pve1/qemu/100/remote_migrate', 'target-endpoint'],
    ['POST', '/nodes/pve1/lxc', 'password'],
    ['POST', '/storage', 'password'],
    ['POST', '/storage', 'encryption-key'],
    ['POST', '/storage', 'keyring'],
    ['POST', '/cluster/notifications/endpoints/smtp', 'password'],
    ['POST', '/cluster/notifications/endpoints/gotify', 'token'],
    ['POST', '/cluster/notifications/endpoints/webhook', 'secret'],
    ['POST', '/cluster/notifications/endpoints/webhook', 'header'],
    ['POST', '/cluster/metrics/server/influx', 'token'],
    ['POST', '/cluster/metrics/server/otel', 'otel-headers'],
    ['POST', '/cluster/acme/plugins', 'data'],
    ['POST', '/cluster/acme/account', 'eab-hmac-key'],
    ['POST', '/cluster/sdn/dns', 'key'],
    ['POST', '/cluster/sdn/ipams', 'token'],
    ['POST', '/nodes/pve1/certificates/custom', 'key'],
    ['PUT', '/nodes/pve1/subscription', 'key'],
    ['POST', '/cluster/config/join', 'password'],
    ['GET', '/nodes/pve1/scan/pbs', 'password'],
    // What no catalogue knows yet.
    ['POST', '/cluster/something/new', 'admin-password'],
    ['POST', '/cluster/something/new', 's3_secret_key'],
  ])('%s %s %s', (method, path, name) => {
    expect(shown(method, path, { [name]: CANARY, node: 'pve1' })).toEqual({
      [name]: '[redacted]',
      node: 'pve1',
    });
    expect(shown(method, path, { [name]: [CANARY, { deep: CANARY }] })).toEqual({ [name]: '[redacted]' });
  });
});

describe('what is no secret stays', () => {
  it.each<[HttpMethod, string, Record<string, unknown>]>([
    [
      'PUT',
      '/nodes/pve1/qemu/100/config',
      { cores: 4, net0: 'virtio,bridge=vmbr0', delete: 'cipassword', onboot: true },
    ],
    [
      'PUT',
      '/nodes/pve1/qemu/100/config',
      { sshkeys: 'ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIGxlYXZl%20ops' },
    ],
    ['PUT', '/nodes/pve1/qemu/100/sendkey', { key: 'ctrl-alt-delete' }],
    ['POST', '/storage', { storage: 'nfs1', content: 'iso,backup', server: '10.0.0.5', username: 'ops' }],
    ['POST', '/access/users/alice@pve/token/ci', { comment: 'for CI', privsep: 1 }],
    ['PUT', '/access/acl', { path: '/', tokens: 'mcp@pve!mcp', roles: 'PVEAuditor' }],
    ['POST', '/nodes/pve1/qemu/100/agent/exec', { command: ['/bin/ls', '-l', '/etc'] }],
    ['POST', '/nodes/pve1/qemu/100/vncproxy', { 'generate-password': 1 }],
  ])('%s %s %j', (method, path, data) => {
    expect(shown(method, path, data)).toEqual(data);
  });
});

it('shows that a parameter is empty, also one that would be a secret or a content', () => {
  const data = { password: '', comment: null, keys: undefined };
  expect(shown('POST', '/access/users', data)).toEqual(data);
  expect(shown('POST', '/nodes/pve1/qemu/100/agent/file-write', { file: '', content: '' })).toEqual({
    file: '',
    content: '',
  });
});

it('looks at each item of a command for a secret behind an option, the first one too', () => {
  const command = ['token', '--token', CANARY];
  expect(shown('POST', '/nodes/pve1/qemu/100/agent/exec', { command })).toEqual({
    command: ['token', '--token', '[redacted]'],
  });
  // What was written as a text is no list.
  expect(shown('POST', '/nodes/pve1/qemu/100/agent/exec', { command: 'ls' })).toEqual({ command: 'ls' });
});

it('gives the contents of files by their length', () => {
  for (const [content, length] of [
    [['a', 'b'], 9],
    [12345, 5],
    [() => 'x', 0],
  ] as const) {
    expect(shown('POST', '/nodes/pve1/hosts', { data: content })).toEqual({ data: `[${length} characters]` });
  }
  expect(
    shown('POST', '/nodes/pve1/qemu/100/agent/file-write', { file: '/etc/motd', content: CANARY }),
  ).toEqual({
    file: '/etc/motd',
    content: '[21 characters]',
  });
  expect(shown('POST', '/nodes/pve1/qemu/100/agent/exec', { command: ['sh'], 'input-data': CANARY })).toEqual(
    {
      command: ['sh'],
      'input-data': '[21 characters]',
    },
  );
});

describe('in a plan', () => {
  const planned = (path: string, data: Record<string, unknown>, redaction = new Redaction()) =>
    plannedParameters(catalogue, { method: 'POST', path: parseApiPath(path), data }, redaction);
  const AGENT = '/nodes/pve1/qemu/100/agent';

  it('contents of files and what goes into programs are shown', () => {
    const script = `#!/bin/sh\n${'rm -rf /srv\n'.repeat(100)}`;
    expect(planned(`${AGENT}/file-write`, { file: '/root/x', content: script })).toEqual({
      file: '/root/x',
      content: script,
    });
    expect(planned(`${AGENT}/exec`, { command: ['sh'], 'input-data': script })).toEqual({
      command: ['sh'],
      'input-data': script,
    });
    expect(planned('/nodes/pve1/hosts', { data: '127.0.0.1 localhost' })).toEqual({
      data: '127.0.0.1 localhost',
    });
    expect(shown('POST', '/nodes/pve1/hosts', { data: '127.0.0.1 localhost' })).toEqual({
      data: '[19 characters]',
    });
  });

  it('secrets in them are not, of the process or by what they look like, nor secret parameters', () => {
    const redaction = new Redaction();
    redaction.keep(['the-secret-of-the-service']);
    const content = `mysql --password ${CANARY}\nAuthorization: Bearer ${CANARY}\nthe-secret-of-the-service\nls`;
    const all = planned(`${AGENT}/file-write`, { file: 'x', content }, redaction);
    expect(all.content).toBe('mysql --password [redacted]\nAuthorization: Bearer [redacted]\n[redacted]\nls');
    const encoded = Buffer.from(content).toString('base64');
    const decoded = planned(`${AGENT}/file-write`, { file: 'x', content: encoded, encode: 0 }, redaction);
    expect(decoded['content (base64, decoded)']).toBe(all.content);
    expect(planned(`${AGENT}/exec`, { command: ['mysql', '--password', CANARY] })).toEqual({
      command: ['mysql', '--password', '[redacted]'],
    });
    expect(planned(`${AGENT}/set-user-password`, { username: 'root', password: CANARY })).toEqual({
      username: 'root',
      password: '[redacted]',
    });
  });

  it('no secret comes to light at the edge of an excerpt', () => {
    for (let before = 860; before < 940; before += 7) {
      const content = `${'x'.repeat(before)} --password ${CANARY} ${'y'.repeat(3000)}`;
      const text = JSON.stringify(planned(`${AGENT}/file-write`, { content }));
      expect(text).not.toContain(CANARY.slice(0, 6));
    }
  });

  it.each([
    ['content that came encoded is decoded', { encode: 0 }, 'bHMKcm0gLXJmIC8=', 'ls\nrm -rf /'],
    ['whatever the word for it', { encode: 'off' }, 'bHMKcm0gLXJmIC8', 'ls\nrm -rf /'],
    ['content that Proxmox encodes is not', { encode: true }, 'bHMKcm0gLXJmIC8=', undefined],
    ['nor what is no base64', { encode: 0 }, 'rm -rf / #', undefined],
    ['nor what is no text', { encode: 0 }, '//79', undefined],
    ['nor what is said nothing of', {}, 'bHMKcm0gLXJmIC8=', undefined],
    ['nor what is said nothing of by null', { encode: null }, 'bHMKcm0gLXJmIC8=', undefined],
    ['nor what begins as none', { encode: 0 }, '#bHMKcm0gLXJmIC8=', undefined],
    ['nor what ends as none', { encode: 0 }, 'bHMKcm0gLXJmIC8=#', undefined],
    ['it may stand in lines', { encode: 0 }, 'bHMKcm0g\nLXJmIC8=\n', 'ls\nrm -rf /'],
    ['and be filled up twice', { encode: 0 }, 'bHMKcm0gLXJm eA==', 'ls\nrm -rfx'],
  ])('%s', (_what, data, content, expected) => {
    const all = planned(`${AGENT}/file-write`, { ...data, content });
    expect(all['content (base64, decoded)']).toBe(expected);
    expect(all.content).toBe(expected === undefined ? content : undefined);
  });

  it('what is no content is not decoded, and no content that is no text', () => {
    const data = { content: 'bHM=', encode: 0, 'input-data': 'bHM=' };
    expect(planned(`${AGENT}/exec`, { ...data, command: ['sh'] })).toEqual({ ...data, command: ['sh'] });
    expect(planned(`${AGENT}/file-write`, { content: 1234, encode: 0 })).toMatchObject({ content: 1234 });
  });

  it('every long text is an excerpt, with the digest of what is sent', () => {
    const long = 'echo 1\n'.repeat(1000);
    const digest = createHash('sha256').update(long).digest('hex');
    const all = planned(`${AGENT}/exec`, { command: ['bash', '-c', long], 'input-data': long });
    for (const text of [all['input-data'], (all.command as string[])[2]]) {
      expect(text).toContain(`[… 5200 OF 7000 CHARACTERS NOT SHOWN, SHA-256 OF ALL ${digest} …]`);
    }
  });
});

it('takes secrets out of commands and texts by what they look like', () => {
  const redaction = new Redaction();
  redaction.keep(['the-secret-of-the-service']);
  const command = [
    'curl',
    '--password',
    CANARY,
    '-H',
    `Authorization: Bearer ${CANARY}`,
    `https://u:${CANARY}@h/?token=${CANARY}`,
    'the-secret-of-the-service',
  ];
  const text = JSON.stringify(shown('POST', '/nodes/pve1/qemu/100/agent/exec', { command }, redaction));
  expect(text).not.toContain(CANARY);
  expect(text).not.toContain('the-secret-of-the-service');
  expect(text).toContain('curl');
  const batch = [{ method: 'PUT', path: '/access/password', args: { password: CANARY } }];
  expect(
    JSON.stringify(shown('POST', '/nodes/pve1/execute', { commands: JSON.stringify(batch) })),
  ).not.toContain(CANARY);
  expect(
    JSON.stringify(shown('POST', '/nodes/pve1/qemu/100/monitor', { command: `set_password vnc ${CANARY}` })),
  ).not.toContain(CANARY);
});

describe('the failure of a call', () => {
  const call = {
    method: 'PUT' as const,
    path: parseApiPath('/nodes/pve1/qemu/100/config'),
    data: { cipassword: CANARY, name: 'web-01-name' },
  };
  const basic = Buffer.from(`root:${CANARY}`).toString('base64');

  it('is told without the secrets that the call was made with', () => {
    const error = new CallError('INVALID_ARGUMENTS', `no ${CANARY} for web-01-name, nor ${basic}`, {
      hint: `mend ${CANARY}`,
      cluster: 'production',
      status: 400,
      retryable: true,
    });
    const clean = withoutGiven(error, catalogue, call);
    expect(clean).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      hint: 'mend [redacted]',
      cluster: 'production',
      status: 400,
      retryable: true,
    });
    expect(String(clean)).toContain('no [redacted] for web-01-name');
    expect(String(clean)).not.toContain(basic.slice(8, 24));
  });

  it('loses the parts of a property string too, and does without a catalogue', () => {
    const data = { 'target-endpoint': `host=h,apitoken=PVEAPIToken=a@pve!b=${CANARY}` };
    const error = new CallError('UPSTREAM_ERROR', `the other side refused ${CANARY}`, { hint: '' });
    expect(String(withoutGiven(error, undefined, { ...call, data }))).not.toContain(CANARY);
  });

  it.each<[string, unknown, string, string]>([
    ['a number', 13371337, 'pin 13371337 of 13', 'pin [redacted] of 13'],
    [
      'a list',
      [CANARY, { deep: 'canary-deep-0002' }],
      `${CANARY}, canary-deep-0002`,
      '[redacted], [redacted]',
    ],
    ['nothing', null, 'null', 'null'],
    ['a yes', true, 'true', 'true'],
    [
      'several words, of which short ones stay',
      `short-word ${CANARY}`,
      `short-word or ${CANARY}`,
      'short-word or [redacted]',
    ],
    [
      'parts that stand apart by more than one sign',
      'a= ;0123456789abcdef',
      '0123456789abcdef',
      '[redacted]',
    ],
    ['a part one shorter', 'a=0123456789abcde', '0123456789abcde', '0123456789abcde'],
  ])('is told without a secret that is %s', (_what, cipassword, message, expected) => {
    const error = new CallError('CONFLICT', message, { hint: '' });
    const clean = withoutGiven(error, catalogue, { ...call, data: { cipassword } });
    expect(clean).toMatchObject({ message: expected });
  });

  it('is told without contents, by the method’s template also where the path looks like none', () => {
    const path = parseApiPath('/nodes/pve1/qemu/100/agent/file-write');
    const error = new CallError('CONFLICT', `wrote ${CANARY}`, { hint: '' });
    const write = { method: 'POST' as const, path, data: { content: CANARY } };
    expect(withoutGiven(error, catalogue, write)).toMatchObject({ message: 'wrote [redacted]' });
    const hosts = {
      method: 'POST' as const,
      path: parseApiPath('/nodes/pve1/hosts'),
      data: { data: CANARY },
    };
    expect(withoutGiven(error, catalogue, hosts)).toMatchObject({ message: 'wrote [redacted]' });
    expect(withoutGiven(error, catalogue, { method: 'POST', path })).toBe(error);
  });

  it('keeps what it carries beside words: a plan is made of what may be shown', () => {
    const plan = { number: 1 } as ShownPlan;
    const error = new ApprovalRequiredError(`plan ${CANARY}`, { hint: '', cluster: 'a', plan });
    expect(withoutGiven(error, catalogue, call)).toBe(error);
  });

  it('stays the same object where there is nothing to hide', () => {
    const error = new CallError('CONFLICT', 'VM is locked', { hint: '' });
    expect(withoutGiven(error, catalogue, { ...call, data: { name: 'x' } })).toBe(error);
    const other = new Error('x');
    expect(withoutGiven(other, catalogue, call)).toBe(other);
  });
});
