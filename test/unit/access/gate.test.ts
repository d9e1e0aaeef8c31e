import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { Gate } from '../../../src/access/gate.ts';
import { type Principal, parseScopes } from '../../../src/access/principal.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import { HTTP_METHODS } from '../../../src/proxmox/call.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const path = parseApiPath('/nodes/pve1/qemu/100/config');

function principal(scope: string): Principal {
  return { id: 'p', subject: 'alice', scopes: parseScopes(scope) };
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
  const gated = new Gate({ readOnly, logger }).open({ cluster, selectedBy: 'explicit' }, origin);
  return { gated, cluster, lines };
}

describe('the gate', () => {
  it.each([
    ['proxmox:read', ['GET']],
    ['proxmox:change', ['POST', 'PUT', 'DELETE']],
    ['proxmox:read proxmox:change', ['GET', 'POST', 'PUT', 'DELETE']],
    ['proxmox:admin', ['GET', 'POST', 'PUT', 'DELETE']],
    ['proxmox:destroy', []],
    ['', []],
  ])('lets the scope "%s" through for %j alone', async (scope, allowed) => {
    for (const method of HTTP_METHODS) {
      const { gated, cluster } = opened(scope);
      const outcome = gated.request({ method, path }).then(
        () => 'sent',
        (error) => error.code,
      );
      expect(await outcome).toBe(allowed.includes(method) ? 'sent' : 'POLICY_DENIED');
      expect(cluster.calls).toHaveLength(allowed.includes(method) ? 1 : 0);
    }
  });

  it('names the missing scope', async () => {
    const { gated } = opened('proxmox:read');
    await expect(gated.request({ method: 'POST', path })).rejects.toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining('proxmox:change'),
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
    expect(cluster.calls[0]?.parameters).toEqual({ name: 'web', onboot: true, cores: 2 });
  });

  it('refuses nested objects by name and sends nothing', async () => {
    const { gated, cluster } = opened('proxmox:admin');
    const data = {
      net0: { bridge: 'vmbr0' },
      cores: 2,
      more: [{ a: 1 }],
      infinite: Number.POSITIVE_INFINITY,
    };
    await expect(gated.request({ method: 'PUT', path, data })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining('net0, more, infinite'),
    });
    expect(cluster.calls).toEqual([]);
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
