import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Forwarder, passedOn } from '../../../src/http/forward.ts';
import { makeCertificate } from '../../../src/simulator/certificate.ts';

describe('the headers that are passed on', () => {
  it('are those of the message, in their order and as often as they came', () => {
    const raw = [
      'Host',
      'mcp.example',
      'Authorization',
      'Bearer x',
      'X-Forwarded-For',
      '1.2.3.4',
      'A',
      '1',
      'A',
      '2',
    ];
    expect(passedOn(raw)).toEqual(raw);
  });

  it('are not those of the connection, nor what it names, nor a hop', () => {
    const raw = [
      ...['Connection', 'keep-alive, X-Private', 'Keep-Alive', 'timeout=5', 'x-private', '1'],
      ...['Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'TE', 'trailers', 'Expect', '100-continue'],
      ...['X-Proxmox-MCP-Hop', '1.2.3.4', 'Content-Length', '5'],
    ];
    expect(passedOn(raw)).toEqual(['Content-Length', '5']);
  });
});

describe('a replica that speaks https', () => {
  it('is known by the certificate that it has told, and nothing is sent to another one', async () => {
    const { key, pem: cert, fingerprint } = await makeCertificate('replica', 'localhost');
    let arrived = 0;
    const server = createServer({ key, cert }, (_request, response) => {
      arrived += 1;
      response.end('taken');
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    onTestFinished(() => void server.close());
    const forwarder = new Forwarder();
    onTestFinished(() => forwarder.close());
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const request = { method: 'GET', url: '/mcp', rawHeaders: ['Host', 'mcp.example'] } as IncomingMessage;
    const ownerWith = (told: string | undefined) => ({
      name: 'a',
      url,
      key: Buffer.alloc(32),
      fingerprint: told,
    });

    expect(await forwarder.connect(ownerWith(undefined), request, 'hop')).toBeUndefined();
    expect(await forwarder.connect(ownerWith('AA:BB'), request, 'hop')).toBeUndefined();
    expect(arrived).toBe(0);
    for (const isAgain of [false, true]) {
      const sent = await forwarder.connect(ownerWith(fingerprint), request, 'hop');
      const answer = await new Promise<IncomingMessage>((resolve) => {
        sent?.once('response', resolve);
        sent?.end();
      });
      expect([sent?.reusedSocket, answer.statusCode]).toEqual([isAgain, 200]);
      await new Promise((ended) => answer.resume().once('end', ended));
      // The connection is given back behind that.
      await new Promise((given) => setImmediate(given));
    }
    expect(arrived).toBe(2);
  });
});
