import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import { describe, expect, it, vi } from 'vitest';
import { StdioListens } from '../../../src/mcp/stdio-listens.ts';

function setUp() {
  const begin = vi.fn<(uri: string) => void>();
  const end = vi.fn<(uri: string) => void>();
  const sut = new StdioListens({ begin, end });
  const listen = (id: number, notifications: unknown) =>
    sut.observe({
      jsonrpc: '2.0',
      id,
      method: 'subscriptions/listen',
      params: { notifications },
    } as JSONRPCMessage);
  const cancel = (requestId: unknown) =>
    sut.observe({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId },
    } as JSONRPCMessage);
  const calls = () => [begin, end].map((spy) => spy.mock.calls.map(([uri]) => uri));
  return { sut, listen, cancel, calls };
}

describe('the listens of a connection', () => {
  it('begin what they ask for, and end what no other asks for', () => {
    const { listen, cancel, calls } = setUp();
    listen(1, { resourceSubscriptions: ['a', 'b', 'b'] });
    listen(2, { resourceSubscriptions: ['b', 'c'] });
    expect(calls()).toEqual([['a', 'b', 'b', 'c'], []]);
    cancel(1);
    expect(calls()[1]).toEqual(['a']);
    cancel(1);
    cancel(3);
    cancel(2);
    expect(calls()[1]).toEqual(['a', 'b', 'c']);
  });

  it('take nothing from what is no listen, or asks for no resources', () => {
    const { sut, listen, calls } = setUp();
    for (const notifications of [
      undefined,
      null,
      {},
      { resourceSubscriptions: 'a' },
      { resourceSubscriptions: [1, {}] },
    ])
      listen(1, notifications);
    sut.observe({ jsonrpc: '2.0', id: 1, result: {} });
    sut.observe({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    expect(calls()).toEqual([[], []]);
  });
});
