import { X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { generate } from 'selfsigned';
import { onTestFinished } from 'vitest';
import type { ClusterConfig, Endpoint } from '../../src/config/config.ts';
import { clusterConfig } from './engine-fixtures.ts';

export interface TestCertificate {
  key: string;
  pem: string;
  fingerprint: string;
}

export interface CertificateOptions {
  /** Default: 127.0.0.1. */
  names?: string[];
  notAfter?: Date;
}

/** A self-signed certificate that is its own CA. */
export async function testCertificate(options: CertificateOptions = {}): Promise<TestCertificate> {
  const altNames = (options.names ?? ['127.0.0.1']).map((name) =>
    /^[\d.]+$|:/.test(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name },
  );
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'wire-server' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 10 * 86_400_000),
    notAfterDate: options.notAfter ?? new Date(Date.now() + 86_400_000),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  return { key, pem: cert, fingerprint: new X509Certificate(cert).fingerprint256 };
}

interface SeenRequest {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface WireServer {
  endpoint: Endpoint;
  certificate: TestCertificate;
  requests: SeenRequest[];
  /** Connections that are open now. */
  sockets: Set<Socket>;
  /** Connections that were ever made. */
  connections: number;
  /** The most requests that waited for their answer at one time. */
  mostAtOnce: number;
  close(): Promise<void>;
}

export type Answering = (request: SeenRequest, response: ServerResponse, socket: Socket) => void;

interface WireServerOptions {
  certificate?: TestCertificate;
  host?: string;
  /** Default: a free one. */
  port?: number;
}

/** Starts an HTTPS server that answers as the test says, byte by byte where it wants to. Closed after the test. */
export async function startWireServer(
  answer: Answering,
  { certificate, host = '127.0.0.1', port: wanted = 0 }: WireServerOptions = {},
): Promise<WireServer> {
  const identity = certificate ?? (await testCertificate());
  const sockets = new Set<Socket>();
  let atOnce = 0;
  const server = createServer({ key: identity.key, cert: identity.pem }, async (incoming, response) => {
    atOnce++;
    state.mostAtOnce = Math.max(state.mostAtOnce, atOnce);
    response.once('close', () => atOnce--);
    let body = '';
    try {
      for await (const chunk of incoming) body += chunk;
    } catch {
      return;
    }
    const { method = '', url = '', headers } = incoming;
    const request = { method, url, headers, body };
    state.requests.push(request);
    answer(request, response, incoming.socket);
  });
  server.on('secureConnection', (socket) => {
    state.connections++;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(wanted, host, resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
  const state: WireServer = {
    endpoint: { host, port },
    certificate: identity,
    requests: [],
    sockets,
    connections: 0,
    mostAtOnce: 0,
    close,
  };
  onTestFinished(close);
  return state;
}

/** Answers as PVE does. */
export function sendJson(response: ServerResponse, status: number, envelope: object, reason?: string): void {
  const body = JSON.stringify(envelope);
  const headers = {
    'Content-Type': 'application/json;charset=UTF-8',
    'Content-Length': Buffer.byteLength(body),
    ...(status >= 400 ? { Connection: 'close' } : {}),
  };
  response.writeHead(status, reason ?? '', headers).end(body);
}

export const answerData: Answering = (_request, response) => sendJson(response, 200, { data: 'ok' });

/** The configuration that reaches these servers as endpoints of one cluster. */
export function configOf(servers: WireServer[], changes: Partial<ClusterConfig> = {}): ClusterConfig {
  const endpoints = servers.map(({ endpoint, certificate }) => ({
    ...endpoint,
    fingerprint: certificate.fingerprint,
  }));
  return clusterConfig({ endpoints, ...changes });
}

/** A TLS server that notes every decrypted byte and says nothing. */
export async function startListener(): Promise<{
  endpoint: Endpoint;
  certificate: TestCertificate;
  bytes(): string;
}> {
  const certificate = await testCertificate();
  const sockets = new Set<TLSSocket>();
  let seen = '';
  const server = createTlsServer({ key: certificate.key, cert: certificate.pem }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: { host: '127.0.0.1', port }, certificate, bytes: () => seen };
}
