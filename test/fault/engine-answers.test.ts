import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { callOf, engineFor, failureOf, TOKEN_CANARY } from '../support/engine-fixtures.ts';
import { type Answering, configOf, sendJson, startWireServer } from '../support/wire-server.ts';

const READ = callOf('GET', '/nodes/pve2/status');
const WRITE = callOf('POST', '/nodes/pve2/qemu/100/status/start');

async function engineWith(answer: Answering, limits = {}) {
  const server = await startWireServer(answer);
  return { server, engine: engineFor(configOf([server]), { limits }) };
}

const html: Answering = (_request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html><h1>INTERNAL-NAME</h1></html>');
};

describe('answers that are not what PVE says', () => {
  test('HTML', async () => {
    const { engine } = await engineWith(html);
    const error = await failureOf(engine.send(READ));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', cluster: 'test' });
    expect(error.message).toContain('answered HTML, not the Proxmox API: is this the right port?');
    expect(error.message).not.toContain('INTERNAL-NAME');
  });

  test('half a JSON that claims to be whole', async () => {
    const { engine } = await engineWith((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"data":[{"node":"pv');
    });
    const error = await failureOf(engine.send(READ));
    expect(error.code).toBe('UPSTREAM_ERROR');
    expect(error.message).toContain('JSON that is cut off');
  });

  test('half a JSON, then the socket dies: a read is repeated', async () => {
    let count = 0;
    const { engine, server } = await engineWith((_request, response, socket) => {
      count++;
      if (count > 1) return sendJson(response, 200, { data: 'whole' });
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('{"data":', () => socket.destroy());
    });
    await expect(engine.send(READ)).resolves.toMatchObject({ data: 'whole' });
    expect(server.requests).toHaveLength(2);
  });

  test('any JSON content type is accepted', async () => {
    for (const type of ['application/json', 'text/json; charset=utf-8', 'application/problem+json', '']) {
      const { engine } = await engineWith((_request, response) => {
        response.writeHead(200, type === '' ? {} : { 'Content-Type': type }).end('{"data":1,"total":"7"}');
      });
      await expect(engine.send(READ)).resolves.toMatchObject({ data: 1, total: 7 });
    }
  });

  test('a redirect is not followed', async () => {
    const { engine: target, server: elsewhere } = await engineWith(html);
    await target.close();
    const { engine, server } = await engineWith((_request, response) => {
      response.writeHead(302, { Location: `https://127.0.0.1:${elsewhere.endpoint.port}/` }).end();
    });
    const error = await failureOf(engine.send(READ));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', status: 302 });
    expect([server.requests.length, elsewhere.connections]).toEqual([1, 0]);
  });

  test('an answer that is too large is cut off, and its socket closed', async () => {
    const { engine, server } = await engineWith(
      (_request, response) => {
        response.writeHead(200, { 'Content-Type': 'application/json' });
        const more = () => {
          while (!response.destroyed && response.write('x'.repeat(64 * 1024)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      },
      { maxAnswerBytes: 1024 * 1024 },
    );
    const error = await failureOf(engine.send(READ));
    expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', retryable: false });
    expect(error.message).toContain('larger than 1048576 bytes');
    await expect.poll(() => server.sockets.size).toBe(0);
    expect(server.requests).toHaveLength(1);
  });

  test('a plain-text error before PVE’s formatter', async () => {
    const { engine } = await engineWith((_request, response) => {
      response.writeHead(500, 'VM is locked (backup)', { Connection: 'close' }).end();
    });
    expect(await failureOf(engine.send(WRITE))).toMatchObject({ code: 'CONFLICT', retryable: true });
  });

  test('an error whose body never comes still has its status', async () => {
    const { engine, server } = await engineWith((_request, response, socket) => {
      response.writeHead(500, 'VM 100 already running', { 'Content-Length': 50 });
      response.write('{', () => socket.destroy());
    });
    expect(await failureOf(engine.send(WRITE))).toMatchObject({ code: 'CONFLICT', status: 500 });
    expect(server.requests).toHaveLength(1);
  });

  test('a proxy’s 401 does not mark the token as refused', async () => {
    let count = 0;
    const { engine } = await engineWith((_request, response) => {
      count++;
      if (count > 1) return sendJson(response, 200, { data: 'ok' });
      response.writeHead(401, { 'Content-Type': 'text/html', 'WWW-Authenticate': 'Basic' }).end('<html>');
    });
    expect((await failureOf(engine.send(READ))).code).toBe('UPSTREAM_ERROR');
    await expect(engine.send(READ)).resolves.toMatchObject({ data: 'ok' });
  });

  test('a server that sends back what it got: the token is in no error, and in nothing that hangs on one', async () => {
    for (const status of [400, 403, 500, 501]) {
      const { engine } = await engineWith((request, response) => {
        const echo = `refused ${request.headers.authorization}`;
        sendJson(response, status, { data: null, message: echo, errors: { a: echo } }, echo);
      });
      const error = await failureOf(engine.send(READ));
      const everything =
        inspect(error, { depth: 20, showHidden: true }) + error.stack + JSON.stringify(error.toBody());
      expect(everything).not.toContain(TOKEN_CANARY);
    }
  });
});

describe('the request on the wire', () => {
  test('a form has a length, is not chunked, and asks for no compression', async () => {
    const { engine, server } = await engineWith((_request, response) =>
      sendJson(response, 200, { data: null }),
    );
    const parameters = { command: ['sh', '-c'], full: true, name: 'a&b' };
    await engine.send({ ...WRITE, parameters });
    await engine.send(callOf('DELETE', '/nodes/pve2/qemu/100', { parameters: { purge: true } }));
    await engine.send(callOf('PUT', '/nodes/pve2/config'));
    const [post, del, put] = server.requests;
    expect(post).toMatchObject({
      url: '/api2/json/nodes/pve2/qemu/100/status/start',
      body: 'command=sh&command=-c&full=1&name=a%26b',
      headers: { 'content-length': '39', authorization: `PVEAPIToken=ops@pve!mcp=${TOKEN_CANARY}` },
    });
    expect(post?.headers['transfer-encoding']).toBeUndefined();
    expect(post?.headers['accept-encoding']).toBeUndefined();
    expect(del).toMatchObject({ url: '/api2/json/nodes/pve2/qemu/100?purge=1', body: '' });
    expect(put?.headers['content-length']).toBe('0');
  });
});
