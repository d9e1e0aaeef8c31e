/**
 * A cluster that costs next to nothing, as a process of its own: `node tiny-upstream.ts GUESTS`. It answers over TLS as
 * pveproxy does, with constant bodies, so that what is measured is the service. Its first message is how to reach it.
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:https';
import { makeCertificate } from '../../src/simulator/certificate.ts';
import type { UpstreamAccess } from './upstream.ts';

const [guests = 2] = process.argv.slice(2).map(Number);
/** What the answer of STATUS_PATH has, head not counted. */
const ANSWER_BYTES = 500;
const RELEASE = { version: '8.4.1', release: '8.4', repoid: '2a5fa54a8503f96d' };

const bodies = new Map<string, Buffer>([
  ['/api2/json/version', json(RELEASE)],
  [
    '/api2/json/cluster/status',
    json([node(0, 'node'), { type: 'cluster', id: 'cluster', name: 'tiny', nodes: 1, quorate: 1 }]),
  ],
  [
    '/api2/json/cluster/resources',
    json([node(0, 'node'), ...Array.from({ length: guests }, (_none, index) => guest(index))]),
  ],
  ['/api2/json/nodes', json([node(0, 'node')])],
  ['/api2/json/nodes/pve1/status', status()],
  ['/api2/json/access/permissions', json({ '/': { 'Sys.Audit': 1, 'VM.Audit': 1, 'Datastore.Audit': 1 } })],
]);

const { key, pem, fingerprint } = await makeCertificate('tiny', '127.0.0.1');
const server = createServer({ key, cert: pem, keepAliveTimeout: 120_000 }, (request, response) => {
  const body = bodies.get((request.url ?? '').split('?')[0] ?? '');
  // A node without the schema of its API: the built-in one serves.
  if (body === undefined) return response.writeHead(404, 'no such file').end();
  response.writeHead(200, {
    'content-type': 'application/json;charset=UTF-8',
    'content-length': body.length,
    'cache-control': 'max-age=0',
    pragma: 'no-cache',
    server: 'pve-api-daemon/3.0',
  });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const access: UpstreamAccess = {
    url: `127.0.0.1:${port}`,
    user: 'bench@pve',
    token_id: 'bench',
    token_secret: randomUUID(),
    fingerprint,
  };
  process.send?.(access);
});
const close = (): void => {
  server.close();
  server.closeAllConnections();
  if (process.connected) process.disconnect();
};
process.once('disconnect', close);
process.once('SIGTERM', close);

function json(data: unknown): Buffer {
  return Buffer.from(JSON.stringify({ data }));
}

function node(index: number, type: string): object {
  return {
    type,
    id: `node/pve${index + 1}`,
    name: `pve${index + 1}`,
    node: `pve${index + 1}`,
    status: 'online',
    online: 1,
    cpu: 0.04,
    maxcpu: 16,
    mem: 8e9,
    maxmem: 64e9,
    disk: 4e9,
    maxdisk: 9e10,
    uptime: 862_042,
    level: '',
  };
}

function guest(index: number): object {
  const vmid = 100 + index;
  return {
    type: 'qemu',
    id: `qemu/${vmid}`,
    vmid,
    name: `web-${String(index).padStart(5, '0')}`,
    node: 'pve1',
    status: 'running',
    tags: 'web;production',
    pool: 'production',
    cpu: 0.013_442,
    maxcpu: 4,
    mem: 1_693_212_672,
    maxmem: 4_294_967_296,
    disk: 0,
    maxdisk: 34_359_738_368,
    diskread: 123_456,
    diskwrite: 654_321,
    netin: 987_654,
    netout: 456_789,
    uptime: 354_212,
    template: 0,
  };
}

/** The status of a node as Proxmox tells it, made exactly so long with the length of its processor's name. */
function status(): Buffer {
  const of = (model: string): Buffer =>
    json({
      cpu: 0.041_22,
      loadavg: ['0.41', '0.52', '0.48'],
      uptime: 862_042,
      memory: { used: 8_123_456_789, total: 67_108_864_000, free: 58_985_407_211 },
      rootfs: { used: 4_012_345_678, total: 94_489_280_512, avail: 85_612_345_678, free: 90_476_934_834 },
      cpuinfo: { cores: 8, cpus: 16, sockets: 1, mhz: '3493.436', model },
      pveversion: 'pve-manager/8.4.1/2a5fa54a8503f96d',
      kversion: 'Linux 6.8.12-10-pve',
    });
  return of('A'.repeat(Math.max(0, ANSWER_BYTES - of('').length)));
}
