import { describe, expect, it } from 'vitest';
import { defaultPolicy, type Policy } from '../../src/access/policy/policy.ts';
import { loadBuiltInCatalogue } from '../../src/catalogue/builtin.ts';
import { riskOf } from '../../src/catalogue/risk.ts';
import { RISKS, type Risk } from '../../src/catalogue/types.ts';
import { parseApiPath } from '../../src/proxmox/api-path.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { ask, guest, policyOf, somebody } from '../support/policy.ts';

const METHODS = loadBuiltInCatalogue().methods;
const everyone = (roles: string, more: object = {}) =>
  policyOf({ principals: [{ match: { subject: '*' }, roles }], ...more });
const concrete = (template: string) =>
  template.replace(/\{([^}]+)\}/g, (_, name: string) =>
    name === 'vmid' ? '100' : name === 'upid' ? 'x' : 'pve1',
  );
const guests = [guest(100, 'web-1', ['web'], 'team-a')];

/** Two ways to forbid a risk: to deny it, and to grant everything else. */
const FORBIDDING: readonly (readonly [string, (risk: Risk) => Policy])[] = [
  [
    'denies it',
    (risk) => everyone('own', { roles: { own: { extends: 'admin', grants: [{ deny: risk }] } } }),
  ],
  [
    'grants the others',
    (risk) =>
      everyone('own', { roles: { own: { grants: [{ allow: RISKS.filter((one) => one !== risk) }] } } }),
  ],
];

describe.each(FORBIDDING)('a policy that %s', (_how, make) => {
  it.each(RISKS)('stops every method with the risk %s, through every tool', (risk) => {
    const policy = make(risk);
    let stopped = 0;
    for (const { method, path } of METHODS) {
      const { risks } = riskOf(method, path);
      for (const tool of TOOLS) {
        const { allowed } = ask(policy, `${method} ${concrete(path)}`, {
          guests,
          more: { risks, tool: tool.name },
        });
        if (!risks.includes(risk)) continue;
        expect(allowed, `${tool.name}: ${method} ${path}`).toBe(false);
        stopped++;
      }
    }
    expect(stopped).toBeGreaterThan(TOOLS.length);
  });
});

describe('a token without the scope of a risk', () => {
  it.each(RISKS)('gets nothing with the risk %s, whatever the policy grants', (risk) => {
    const scope = RISKS.filter((one) => one !== risk)
      .map((one) => `proxmox:${one}`)
      .join(' ');
    for (const policy of [everyone('admin'), defaultPolicy()]) {
      for (const { method, path } of METHODS) {
        const { risks } = riskOf(method, path);
        if (!risks.includes(risk)) continue;
        expect(
          ask(policy, `${method} ${concrete(path)}`, {
            as: somebody('a', { scope }),
            guests,
            more: { risks },
          }).allowed,
        ).toBe(false);
      }
    }
  });
});

describe('read-only', () => {
  it.each(['serverReadOnly', 'clusterReadOnly', 'requestReadOnly'])(
    'by %s stops every method but GET',
    (which) => {
      for (const policy of [everyone('admin'), defaultPolicy()]) {
        for (const { method, path } of METHODS) {
          if (method === 'GET') continue;
          expect(
            ask(policy, `${method} ${concrete(path)}`, { guests, more: { [which]: true } }).allowed,
          ).toBe(false);
        }
      }
    },
  );
});

describe('a tenant', () => {
  const policy = everyone('own', {
    roles: { own: { extends: 'admin' } },
    principals: [{ match: { subject: '*' }, roles: 'admin', tenant: { pools: 'team-b' } }],
  });

  it('reaches no guest of others by any method', () => {
    for (const { method, path } of METHODS.filter((one) => one.path.includes('{vmid}'))) {
      expect(ask(policy, `${method} ${concrete(path)}`, { guests }), `${method} ${path}`).toMatchObject({
        allowed: false,
        missing: true,
      });
    }
  });

  it('changes nothing that is not about a guest', () => {
    for (const { method, path } of METHODS.filter((one) => one.method !== 'GET')) {
      expect(ask(policy, `${method} ${concrete(path)}`, { guests }).allowed, `${method} ${path}`).toBe(false);
    }
  });

  it('reads nothing beside guests but what is on the list', () => {
    const open = METHODS.filter(({ method }) => method === 'GET')
      .map(({ path }) => path)
      .filter((path) => !path.includes('{vmid}') && ask(policy, `GET ${concrete(path)}`, { guests }).allowed);
    expect(open.filter((path) => !/\/capabilities\b/.test(path)).sort()).toEqual([
      '/cluster/backup',
      '/cluster/backup-info/not-backed-up',
      '/cluster/ha/resources',
      '/cluster/nextid',
      '/cluster/replication',
      '/cluster/resources',
      '/cluster/tasks',
      '/nodes/{node}/lxc',
      '/nodes/{node}/qemu',
      '/nodes/{node}/replication',
      '/nodes/{node}/storage/{storage}/content',
      '/nodes/{node}/tasks',
      '/pools',
      '/version',
    ]);
  });
});

describe('ways around a policy', () => {
  const policy = everyone('own', {
    roles: {
      own: {
        extends: 'admin',
        grants: [
          { deny: '*', guests: { vmids: 100 } },
          { deny: '*', paths: '/access/**' },
        ],
      },
    },
  });

  /** What the gate would judge and Proxmox would route; a path that is refused goes nowhere. */
  const reaches = (line: string, data: Record<string, unknown> = {}) => {
    const [, raw = ''] = line.split(' ');
    try {
      parseApiPath(raw);
    } catch {
      return false;
    }
    return ask(policy, line, { guests, data }).allowed;
  };

  it.each([
    'DELETE /nodes/pve1/qemu/100',
    'DELETE /nodes/pve1/qemu/100/',
    'DELETE nodes/pve1/qemu/100',
    'DELETE /api2/json/nodes/pve1/qemu/100',
    'DELETE /nodes/pve1/qemu/%31%30%30',
    'DELETE /nodes%2Fpve1%2Fqemu%2F100',
    'DELETE /nodes/pve1/qemu/101/../100',
    'DELETE /nodes/pve1/qemu/101/%2e%2e/100',
    'DELETE /nodes//pve1/qemu/100',
    'DELETE //nodes/pve1/qemu/100',
    'DELETE /nodes/localhost/qemu/100',
    'DELETE /nodes/pve1/lxc/100',
    'DELETE /nodes/pve1/qemu/0100',
    'DELETE /nodes/pve1/qemu/+100',
    'DELETE /nodes/pve1/qemu/１００',
    'DELETE /nodes/pve1/qemu/100%00',
    'DELETE /nodes/pve1/qemu/100;a=b',
    'DELETE /nodes/pve1/qemu/1e2',
    'GET /access/users',
    'GET /access/../access/users',
    'GET /%61ccess/users',
    'GET /access',
    'GET /access/',
    'POST /nodes/pve1/execute',
    'POST /nodes/pve1/stopall',
  ])('%s does not get through', (line) => {
    expect(reaches(line)).toBe(false);
  });

  it('can not be found in the kind of a guest, or in its node', () => {
    expect(reaches('POST /nodes/pve1/qemu', { vmid: 100, force: 1 })).toBe(false);
    expect(reaches('POST /nodes/pve1/qemu', { vmid: 100 })).toBe(false);
    expect(reaches('POST /nodes/pve1/qemu/101/move_disk', { disk: 'scsi0', 'target-vmid': 100 })).toBe(false);
    expect(reaches('DELETE /nodes/pve1/storage/l/content/vm-100-disk-0')).toBe(false);
    expect(reaches('PUT /nodes/pve1/qemu/101/config', { scsi1: 'l:vm-100-disk-0' })).toBe(false);
    expect(reaches('DELETE /nodes/pve1/qemu/101')).toBe(true);
  });

  it('can not be found in the names of roles, subjects and groups', () => {
    for (const subject of ['__proto__', 'constructor', 'toString', '*', '']) {
      const closed = policyOf({ principals: [{ match: { subject: 'alice' }, roles: 'admin' }] });
      expect(
        ask(closed, 'GET /nodes', { as: somebody(subject, { groups: [subject] }) }).allowed,
        subject,
      ).toBe(false);
    }
  });

  it('can not be found in patience: names made for it are judged at once', () => {
    const slow = everyone('own', {
      roles: {
        own: {
          grants: [{ allow: '*', guests: { names: `${'*a'.repeat(140)}b`, tags: `${'*a'.repeat(140)}b` } }],
        },
      },
    });
    const long = [guest(100, 'a'.repeat(20_000), ['a'.repeat(20_000)], 'x')];
    const started = performance.now();
    expect(ask(slow, 'GET /nodes/pve1/qemu/100/config', { guests: long }).allowed).toBe(false);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
