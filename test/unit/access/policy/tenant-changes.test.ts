import { expect, it } from 'vitest';
import { tenantAnswer } from '../../../../src/access/policy/tenant-view.ts';
import { parseEnvelope } from '../../../../src/proxmox/wire.ts';

const request = {
  method: 'GET',
  path: '/nodes/pve1/not-for-tenants',
  visible: new Set([100]),
} as const;
const tenant = { pools: ['web'], tags: [], infrastructure: false };

it('keeps the diff of a node’s network beside its list', () => {
  expect(parseEnvelope('{"data":[],"changes":"--- a"}')).toEqual({ data: [], changes: '--- a' });
  expect(parseEnvelope('{"data":[],"changes":""}')).toEqual({ data: [] });
});

it('shows a tenant neither rows nor a diff where tenants have no business', () => {
  const reply = { data: [{ iface: 'vmbr0' }], changes: '+ address 192.0.2.9/24' };
  expect(tenantAnswer({ ...request, tenant }, reply)).toEqual({ data: [] });
});
