import { describe, expect, it } from 'vitest';
import { answeredId, factsOf, refusalOf, withoutNullArguments } from '../../../src/mcp/messages.ts';

describe('factsOf', () => {
  it.each([null, undefined, 1, 'x', [null], {}, { id: {} }, { method: 5, id: 1 }])(
    'finds nothing in %j',
    (body) => {
      expect(factsOf(body)).toEqual({ initialize: false, requestIds: [], cancelledIds: [] });
    },
  );

  it('refuses an empty batch, which asks for nothing and could be given no answer', () => {
    expect(factsOf([]).refusal).toBe('a batch is empty');
  });

  it('finds requests, the initialize and cancellations in a batch', () => {
    const body = [
      { jsonrpc: '2.0', id: 1, method: 'initialize' },
      { jsonrpc: '2.0', id: 'a', method: 'tools/call' },
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } },
      { jsonrpc: '2.0', id: 9, result: {} },
    ];
    expect(factsOf(body)).toEqual({ initialize: true, requestIds: [1, 'a'], cancelledIds: [7] });
  });
});

describe('refusalOf', () => {
  const ids = (...requestIds: (string | number)[]) => ({ initialize: false, requestIds, cancelledIds: [] });

  it('names an id under way, and one that stands twice', () => {
    expect(refusalOf(ids(1, 2), new Map([[2, 'x']]))?.error.message).toContain('id 2');
    expect(refusalOf(ids('a', 'b', 'a'), new Map())?.error.message).toContain('id "a"');
    expect(refusalOf(ids(1, '1', 0, ''), new Map())).toBeUndefined();
  });

  it('refuses long ids and large batches unread', () => {
    const long = factsOf({ id: 'x'.repeat(1000), method: 'ping' });
    expect(refusalOf(long, new Map())?.error).toMatchObject({ code: -32600 });
    const many = factsOf(Array.from({ length: 50_000 }, (_, id) => ({ id, method: 'ping' })));
    expect(many.requestIds).toEqual([]);
    expect(refusalOf(many, new Map())?.error).toMatchObject({ code: -32600 });
  });
});

describe('withoutNullArguments', () => {
  it('takes them out of a message and of a batch, and leaves all else', () => {
    const call = (args: unknown) => ({ method: 'tools/call', params: { name: 'x', arguments: args } });
    expect(withoutNullArguments([call(null), call({ a: null }), null, 1])).toEqual([
      { method: 'tools/call', params: { name: 'x' } },
      call({ a: null }),
      null,
      1,
    ]);
  });
});

describe('answeredId', () => {
  it('knows a response from a request', () => {
    expect(answeredId({ id: 1, result: {} })).toBe(1);
    expect(answeredId({ id: 'e', error: {} })).toBe('e');
    expect(answeredId({ id: 1, method: 'ping' })).toBeUndefined();
    expect(answeredId({ method: 'notifications/progress' })).toBeUndefined();
  });
});
