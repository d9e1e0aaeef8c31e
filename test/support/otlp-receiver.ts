import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as OTLP/HTTP brings it in JSON. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: Record<string, unknown>;
  status?: { code?: number };
  links?: { traceId: string; spanId: string }[];
}

/** A collector for traces, as small as one gets. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly resources: Record<string, unknown>[] = [];
  /** Everything that arrived, headers included. */
  readonly requests: { path: string; headers: Record<string, unknown>; body: string }[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        this.requests.push({ path: request.url ?? '', headers: request.headers, body });
        for (const part of JSON.parse(body).resourceSpans) this.#take(part);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
  }

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #take({
    resource,
    scopeSpans,
  }: {
    resource: Attributed;
    scopeSpans: { spans: (ReceivedSpan & Attributed)[] }[];
  }) {
    this.resources.push(plain(resource));
    for (const { spans } of scopeSpans) {
      for (const span of spans) this.spans.push({ ...span, attributes: plain(span) });
    }
  }
}

interface Attributed {
  attributes: unknown;
}

function plain({ attributes }: Attributed): Record<string, unknown> {
  const pairs = attributes as { key: string; value: Record<string, unknown> }[];
  return Object.fromEntries(pairs.map(({ key, value }) => [key, Object.values(value)[0]]));
}
