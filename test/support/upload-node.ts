import { createHash, type Hash } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Endpoint } from '../../src/config/config.ts';
import { sendJson, type TestCertificate, testCertificate } from './wire-server.ts';

/** One upload as it arrived; nothing of the file is kept but its hash. */
export interface SeenUpload {
  url: string;
  headers: IncomingHttpHeaders;
  /** Everything before the first byte of the file. */
  head: string;
  fileBytes: number;
  sha256: string;
  tail: string;
  /** Whether as many bytes came as Content-Length said. */
  isWhole: boolean;
}

export interface UploadNode {
  endpoint: Endpoint;
  certificate: TestCertificate;
  uploads: SeenUpload[];
  /** Targets of the other requests, each with its verb. */
  asked: string[];
  sockets: Set<Socket>;
}

export interface UploadNodeOptions {
  name?: string;
  host?: string;
  port?: number;
  /** Rows of /cluster/status beside its own. */
  others?: object[];
  /** Called when an upload begins; answers early, or not at all. */
  onBegin?: (request: IncomingMessage, response: ServerResponse) => 'read' | 'ignore';
  /** Answers anything else, where it returns true. */
  answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export const UPID = 'UPID:pve1:00001234:0000ABCD:66000000:imgcopy:x.iso:ops@pve!mcp:';

/** Starts a node that takes uploads as pveproxy does, and says in /cluster/status who it is. Closed after the test. */
export async function startUploadNode(options: UploadNodeOptions = {}): Promise<UploadNode> {
  const { name = 'pve1', host = '127.0.0.1', port: wanted = 0, others = [] } = options;
  const certificate = await testCertificate({ names: [host] });
  const sockets = new Set<Socket>();
  const rows = [
    { type: 'cluster', name: 'test' },
    { type: 'node', name, local: 1, online: 1, ip: host },
    ...others,
  ];
  const server = createServer({ key: certificate.key, cert: certificate.pem }, (request, response) => {
    const { method = '', url = '' } = request;
    if (method === 'POST' && url.endsWith('/upload')) {
      const wish = options.onBegin?.(request, response) ?? 'read';
      if (wish === 'read') receive(request, response, node.uploads);
      return;
    }
    node.asked.push(`${method} ${url}`);
    request.resume();
    if (options.answer?.(request, response)) return;
    if (url === '/api2/json/cluster/status') sendJson(response, 200, { data: rows });
    else sendJson(response, 501, { data: null }, `Method '${method} ${url}' not implemented`);
  });
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(wanted, host, resolve));
  const { port } = server.address() as AddressInfo;
  const node: UploadNode = { endpoint: { host, port }, certificate, uploads: [], asked: [], sockets };
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  return node;
}

const BEGIN_OF_FILE = 'Content-Type: application/octet-stream\r\n\r\n';

function receive(request: IncomingMessage, response: ServerResponse, uploads: SeenUpload[]): void {
  const { url = '', headers } = request;
  const boundary = /boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1] ?? '';
  const tailLength = `\r\n--${boundary}--\r\n`.length;
  const hash: Hash = createHash('sha256');
  const seen: SeenUpload = { url, headers, head: '', fileBytes: 0, sha256: '', tail: '', isWhole: false };
  uploads.push(seen);
  let total = 0;
  request.on('data', (chunk: Buffer) => {
    total += chunk.length;
    let rest = chunk;
    if (!seen.head.endsWith(BEGIN_OF_FILE)) {
      const text = seen.head + chunk.toString('latin1');
      const end = text.indexOf(BEGIN_OF_FILE) + BEGIN_OF_FILE.length;
      rest = chunk.subarray(end - seen.head.length);
      seen.head = text.slice(0, end);
    }
    const fileLength = Number(headers['content-length']) - seen.head.length - tailLength;
    const own = rest.subarray(0, fileLength - seen.fileBytes);
    hash.update(own);
    seen.fileBytes += own.length;
    seen.tail += rest.subarray(own.length).toString('latin1');
  });
  request.on('error', () => undefined);
  request.on('end', () => {
    seen.sha256 = hash.digest('hex');
    seen.isWhole = total === Number(headers['content-length']);
    sendJson(response, 200, { data: UPID });
  });
}
