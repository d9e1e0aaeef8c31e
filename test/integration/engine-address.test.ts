import { describe, expect, test } from 'vitest';
import { clusterConfig, engineFor, failureOf } from '../support/engine-fixtures.ts';
import { startUploadNode, type UploadNode } from '../support/upload-node.ts';
import { testCertificate } from '../support/wire-server.ts';

const pinned = (...nodes: UploadNode[]) =>
  nodes.map(({ endpoint, certificate }) => ({ ...endpoint, fingerprint: certificate.fingerprint }));

describe('the address of a node', () => {
  test('is that of the endpoint which says that it is the node, with the certificate it shows', async () => {
    const [first, second] = [await startUploadNode(), await startUploadNode({ name: 'pve2' })];
    const engine = engineFor(clusterConfig({ endpoints: pinned(first, second) }));
    const { fingerprint } = second.certificate;
    expect(await engine.addressOf('pve2')).toEqual({ ...second.endpoint, fingerprint, isProven: true });
    expect(await engine.addressOf('pve1')).toMatchObject({ port: first.endpoint.port, isProven: true });
    expect([...first.asked, ...second.asked].every((line) => line.startsWith('GET '))).toBe(true);
  });

  test('is proven by the authority that is trusted', async () => {
    const node = await startUploadNode();
    const { endpoint, certificate } = node;
    const tls = { verify: true, ca: certificate.pem };
    const { fingerprint } = certificate;
    expect(await engineFor(clusterConfig({ endpoints: [endpoint], tls })).addressOf('pve1')).toEqual({
      ...endpoint,
      fingerprint,
      isProven: true,
    });
    const untrusted = engineFor(clusterConfig({ endpoints: [endpoint] })).addressOf('pve1');
    expect(await failureOf(untrusted)).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
  });

  test('is not proven where the configuration holds the certificate against nothing', async () => {
    const { endpoint, certificate } = await startUploadNode();
    const engine = engineFor(clusterConfig({ endpoints: [endpoint], tls: { verify: false } }));
    expect(await engine.addressOf('pve1')).toEqual({
      ...endpoint,
      fingerprint: certificate.fingerprint,
      isProven: false,
    });
  });

  test('is none where another certificate than the pinned one is shown', async () => {
    const node = await startUploadNode();
    const { fingerprint } = await testCertificate();
    const endpoints = [{ ...node.endpoint, fingerprint }];
    const error = await failureOf(engineFor(clusterConfig({ endpoints })).addressOf('pve1'));
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    expect(node.asked).toEqual([]);
  });

  test('is looked up anew each time: another node may answer there by now', async () => {
    let name = 'pve1';
    const others = [{ type: 'node', name: 'pve1', local: 0, online: 1, ip: '127.0.0.1' }];
    const node = await startUploadNode({
      others,
      answer: (request, response) => {
        if (request.url !== '/api2/json/cluster/status') return false;
        const own = { type: 'node', name, local: 1, online: 1, ip: '127.0.0.1' };
        const body = JSON.stringify({ data: name === 'pve1' ? [own] : [own, ...others] });
        response.writeHead(200, { 'content-type': 'application/json' }).end(body);
        return true;
      },
    });
    const tls = { verify: true, fingerprint: node.certificate.fingerprint };
    const engine = engineFor(clusterConfig({ endpoints: [node.endpoint], tls }));
    await engine.addressOf('pve1');
    name = 'pve9';
    expect(await failureOf(engine.addressOf('pve1'))).toMatchObject({
      code: 'CLUSTER_UNREACHABLE',
      message: expect.stringContaining('another node answers at its address'),
    });
  });

  test('never has a certificate that was refused on another connection meanwhile', async () => {
    const honest = await startUploadNode();
    const { host, port } = honest.endpoint;
    const endpoints = pinned(honest);
    const engine = engineFor(clusterConfig({ endpoints }));
    await engine.addressOf('pve1');
    // Whoever sits in between lets the open connection be, and answers those that are made now.
    const [server] = [...honest.sockets].map((socket) => 'server' in socket && socket.server);
    const forged = await testCertificate();
    (server as { setSecureContext(context: object): void }).setSecureContext({
      key: forged.key,
      cert: forged.pem,
    });
    const probing = engine.probe(`${host}:${port}`, {
      signal: new AbortController().signal,
      deadlineMs: 2000,
    });
    expect(await failureOf(probing)).toMatchObject({ code: 'CLUSTER_UNREACHABLE' });
    expect(await engine.addressOf('pve1')).toMatchObject({ fingerprint: honest.certificate.fingerprint });
  });

  test.each(['10.0.0.9,fingerprint=AA', 'localhost', '127.0.0.1:8006', '', '127.0.0.1/x', '1.2.3.4 x'])(
    'is no text that a node calls its address: %j',
    async (ip) => {
      const others = [{ type: 'node', name: 'pve2', local: 0, online: 1, ip }];
      const node = await startUploadNode({ others });
      const tls = { verify: true, fingerprint: node.certificate.fingerprint };
      const engine = engineFor(clusterConfig({ endpoints: [node.endpoint], tls }));
      expect(await failureOf(engine.addressOf('pve2'))).toMatchObject({
        code: 'CLUSTER_UNREACHABLE',
        message: expect.stringContaining('the cluster names no address of it'),
      });
    },
  );

  test.each([
    ['pve9', 'NOT_FOUND'],
    ['pve2', 'UPSTREAM_ERROR'],
  ])('is none for %s, which is unknown or offline', async (name, code) => {
    const others = [{ type: 'node', name: 'pve2', local: 0, online: 0, ip: '192.0.2.9' }];
    const node = await startUploadNode({ others });
    const engine = engineFor(clusterConfig({ endpoints: pinned(node) }));
    expect(await failureOf(engine.addressOf(name))).toMatchObject({ code });
  });
});
