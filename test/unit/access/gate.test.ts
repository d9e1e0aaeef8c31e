import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { type Principal, parseScopes } from '../../../src/access/principal.ts';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import { gateFor } from '../../support/gate.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const path = parseApiPath('/nodes/pve1/qemu/100/config');

function principal(scope: string): Principal {
  return { id: 'p', subject: 'alice', groups: [], scopes: parseScopes(scope), credential: 'jwt:t' };
}

function opened(scope: string, { readOnly = false, cluster = new RecordingCluster('a') } = {}) {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const origin = {
    principal: principal(scope),
    requestId: 'r1',
    tool: 't',
    door: 'stdio',
    signal: new AbortController().signal,
  };
  const gated = gateFor(logger, { readOnly }).open({ cluster, selectedBy: 'explicit' }, origin);
  return { gated, cluster, lines };
}

describe('the gate', () => {
  /** One call of each risk, and one that needs two scopes. */
  const CALLS = {
    read: { method: 'GET', path: '/nodes/pve1/qemu/100/config' },
    change: { method: 'POST', path: '/nodes/pve1/qemu/100/status/start' },
    destroy: { method: 'DELETE', path: '/nodes/pve1/qemu/100' },
    execute: { method: 'POST', path: '/nodes/pve1/qemu/100/agent/exec', data: { command: ['id'] } },
    unknown: { method: 'POST', path: '/nodes/pve1/no-such-method' },
    hidden: { method: 'PUT', path: '/nodes/pve1/qemu/100/config', data: { delete: 'scsi1' } },
  } as const;

  it.each([
    ['proxmox:read', ['read']],
    ['proxmox:change', ['change']],
    ['proxmox:destroy', ['destroy', 'unknown']],
    ['proxmox:execute', ['execute']],
    ['proxmox:change proxmox:destroy', ['change', 'destroy', 'unknown', 'hidden']],
    ['proxmox:admin', Object.keys(CALLS)],
    ['', []],
  ])('lets the scope "%s" through for %j alone', async (scope, allowed) => {
    for (const [name, { path: text, ...rest }] of Object.entries(CALLS)) {
      const { gated, cluster } = opened(scope);
      const outcome = gated.request({ ...rest, path: parseApiPath(text) }).then(
        () => 'sent',
        (error) => error.code,
      );
      expect(await outcome, name).toBe(allowed.includes(name) ? 'sent' : 'POLICY_DENIED');
      expect(cluster.calls, name).toHaveLength(allowed.includes(name) ? 1 : 0);
    }
  });

  it('names the missing scopes', async () => {
    const { gated } = opened('proxmox:read');
    const request = { method: 'PUT', path, data: { delete: 'scsi1' } } as const;
    await expect(gated.request(request)).rejects.toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringMatching(/proxmox:change.*proxmox:destroy|proxmox:destroy.*proxmox:change/),
    });
  });

  it.each(['POST', 'PUT', 'DELETE'] as const)('sends no %s when the server is read-only', async (method) => {
    const { gated, cluster } = opened('proxmox:admin', { readOnly: true });
    await expect(gated.request({ method, path })).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(cluster.calls).toEqual([]);
  });

  it('sends no write to a cluster that is read-only', async () => {
    const { gated, cluster } = opened('proxmox:admin', {
      cluster: new RecordingCluster('a', { readOnly: true }),
    });
    await expect(gated.request({ method: 'POST', path })).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    await gated.request({ method: 'GET', path });
    expect(cluster.calls.map((call) => call.method)).toEqual(['GET']);
  });

  it('records begin and end with one id, and no value of a parameter', async () => {
    const { gated, lines } = opened('proxmox:admin');
    await gated.request({ method: 'PUT', path, data: { cipassword: 'canary-password' } });
    expect(lines).toHaveLength(2);
    const [begin, end] = lines.map((line) => JSON.parse(line));
    expect(begin).toMatchObject({
      request_id: 'r1',
      method: 'PUT',
      path: path.toString(),
      parameters: ['cipassword'],
    });
    expect(end).toMatchObject({ request_id: 'r1', outcome: 'ok', subject: 'alice' });
    expect(lines.join('')).not.toContain('canary');
  });

  it('records a call that policy stopped', async () => {
    const { gated, lines } = opened('proxmox:read');
    await expect(gated.request({ method: 'POST', path })).rejects.toThrow();
    expect(lines.map((line) => JSON.parse(line).outcome)).toEqual(['POLICY_DENIED']);
  });

  it('drops null members and leaves the caller’s object alone', async () => {
    const { gated, cluster } = opened('proxmox:admin');
    const data = Object.freeze({ name: 'web', description: null, tags: undefined, onboot: true, cores: 2 });
    await gated.request({ method: 'PUT', path, data });
    expect(cluster.calls[0]?.parameters).toEqual({ name: 'web', onboot: '1', cores: '2' });
  });

  it('says everything that is wrong with the parameters at once, and sends nothing', async () => {
    const { gated, cluster } = opened('proxmox:admin');
    const data = { cores: 'many', onboot: 'perhaps', agent: { nonsense: 1 } };
    await expect(gated.request({ method: 'PUT', path, data })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringMatching(/cores.*onboot/),
    });
    expect(cluster.calls).toEqual([]);
  });

  it('writes a structured property string as Proxmox wants it', async () => {
    const { gated, cluster } = opened('proxmox:admin');
    const data = { net0: { model: 'virtio', bridge: 'vmbr0', firewall: true } };
    await gated.request({ method: 'PUT', path, data });
    expect(cluster.calls[0]?.parameters.net0).toMatch(/virtio/);
    expect(cluster.calls[0]?.parameters.net0).toContain('bridge=vmbr0');
    expect(cluster.calls[0]?.parameters.net0).toContain('firewall=1');
  });

  it('leaves what the built-in catalogue does not know to Proxmox itself', async () => {
    const { gated, cluster } = opened('proxmox:admin');
    await gated.request({ method: 'GET', path: parseApiPath('/cluster/something-new'), data: { new: 1 } });
    await gated.request({ method: 'PUT', path, data: { 'option-of-tomorrow': 'x' } });
    expect(cluster.calls).toHaveLength(2);
  });

  it('refuses what the cluster’s own schema does not know, with the nearest', async () => {
    const cluster = new RecordingCluster('a');
    const own = new Catalogue({
      source: 'cluster',
      label: 'PVE 9.2',
      methods: loadBuiltInCatalogue().methods,
    });
    cluster.catalogue = async () => own;
    const { gated } = opened('proxmox:admin', { cluster });
    await expect(
      gated.request({ method: 'GET', path: parseApiPath('/nodes/pve1/qemu/100/statsu/current') }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('/status/current') });
    await expect(gated.request({ method: 'PUT', path, data: { coers: 2 } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('cores'),
    });
    expect(cluster.calls).toEqual([]);
  });

  it('sends unverified parameters where the operator says so, and still judges the risk', async () => {
    const cluster = new RecordingCluster('a', { validate: false });
    const { gated } = opened('proxmox:change', { cluster });
    await gated.request({ method: 'PUT', path, data: { cores: 'many' } });
    expect(cluster.calls).toHaveLength(1);
    await expect(gated.request({ method: 'PUT', path, data: { delete: 'scsi1' } })).rejects.toMatchObject({
      code: 'POLICY_DENIED',
    });
    const nested = { net0: { bridge: 'vmbr0' }, more: [{ a: 1 }], infinite: Number.POSITIVE_INFINITY };
    await expect(gated.request({ method: 'PUT', path, data: nested })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('net0, more, infinite'),
    });
    expect(cluster.calls).toHaveLength(1);
  });
});

describe('the typed facade over the gate', () => {
  it('sends what it builds through the gate', async () => {
    const { gated, cluster } = opened('proxmox:read');
    await gated.api.nodes.$('pve1').qemu.$(100).status.current.$get();
    expect(cluster.calls[0]?.path.wire).toBe('/nodes/pve1/qemu/100/status/current');
  });

  it.each(['a?b', 'a#b', 'a/b', '..', '.', '%2e%2e', 'a%2fb', 'a\nb', '', 'a\\b', 'a%00b'])(
    'confines the value %j to its segment or refuses it',
    async (node) => {
      const { gated, cluster } = opened('proxmox:admin');
      await expect(gated.api.nodes.$(node).status.$get()).rejects.toMatchObject({ code: 'INVALID_PATH' });
      expect(cluster.calls).toEqual([]);
    },
  );

  it('is under the policy like everything else', async () => {
    const { gated, cluster } = opened('proxmox:read');
    await expect(gated.api.nodes.$('pve1').qemu.$(100).status.start.$post()).rejects.toMatchObject({
      code: 'POLICY_DENIED',
    });
    expect(cluster.calls).toEqual([]);
  });
});
