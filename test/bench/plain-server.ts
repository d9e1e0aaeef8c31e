/**
 * What the service is held against, each a process of its own: `node plain-server.ts echo|bytes|read|sdk-v1|sdk-v2`. Its
 * first message is its port. `bytes` answers with as many bytes as its second argument says; `read` asks the cluster at
 * its second argument, with the third as authorization, for the path that is the fourth.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createMcpHandler, McpServer as ModernServer } from '@modelcontextprotocol/server';
import Fastify from 'fastify';
import { Pool } from 'undici';
import { z } from 'zod';

const IDENTITY = { name: 'bare', version: '1.0.0' };
const KEEP_ALIVE_MS = 120_000;
const TRIVIAL = { description: 'Gives a text back.', inputSchema: z.object({ text: z.string() }) };
const [kind = 'echo', ...args] = process.argv.slice(2);

const servers: Record<string, () => Promise<Server>> = {
  echo: () => fastify((body) => ({ result: body })),
  bytes: () => {
    const text = JSON.stringify({ result: 'A'.repeat(Math.max(0, Number(args[0]) - 13)) });
    return fastify(() => text);
  },
  read: () => {
    const [url, authorization = '', path = ''] = args;
    const pool = new Pool(`https://${url}`, { connections: 8, connect: { rejectUnauthorized: false } });
    return fastify(async () => {
      const { body } = await pool.request({ method: 'GET', path, headers: { authorization } });
      return { result: await body.json() };
    });
  },
  'sdk-v1': async () => sessions(),
  'sdk-v2': async () => stateless(),
};

const make = servers[kind];
if (make === undefined) throw new Error(`there is no server ${kind}`);
const server = await make();
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.(typeof address === 'object' ? address?.port : undefined);
});
const close = (): void => {
  server.close();
  server.closeAllConnections();
  if (process.connected) process.disconnect();
};
process.once('disconnect', close);
process.once('SIGTERM', close);

async function fastify(answer: (body: unknown) => unknown): Promise<Server> {
  const app = Fastify({ keepAliveTimeout: KEEP_ALIVE_MS });
  app.post('/', async (request, reply) => {
    reply.type('application/json');
    return answer(request.body);
  });
  await app.ready();
  return app.server;
}

/** The v1 SDK as its documentation shows it: a transport and a server for each session. */
function sessions(): Server {
  const open = new Map<string, StreamableHTTPServerTransport>();
  return served(async (request, response) => {
    const id = String(request.headers['mcp-session-id'] ?? '');
    const body: unknown = JSON.parse(await textOf(request));
    const known = open.get(id);
    if (known !== undefined) return await known.handleRequest(request, response, body);
    const mcp = new McpServer(IDENTITY);
    mcp.registerTool('trivial', { ...TRIVIAL, inputSchema: TRIVIAL.inputSchema.shape }, ({ text }) => ({
      content: [{ type: 'text', text }],
    }));
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (made) => void open.set(made, transport),
    });
    await mcp.connect(transport as Parameters<typeof mcp.connect>[0]);
    await transport.handleRequest(request, response, body);
  });
}

/** The v2 SDK as its documentation shows it: revision 2026-07-28, a server for each request. */
function stateless(): Server {
  const handler = createMcpHandler(() => {
    const mcp = new ModernServer(IDENTITY);
    mcp.registerTool('trivial', TRIVIAL, ({ text }) => ({ content: [{ type: 'text', text }] }));
    return mcp;
  });
  const serve = toNodeHandler(handler);
  return served((request, response) => serve(request as Parameters<typeof serve>[0], response));
}

function served(serve: (request: IncomingMessage, response: ServerResponse) => unknown): Server {
  return createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS },
    (request, response) => void serve(request, response),
  );
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}
