import { describe, expect, it } from 'vitest';
import { answeredId, duplicateId, factsOf } from '../../../src/mcp/messages.ts';

describe('factsOf', () => {
  it.each([null, undefined, 1, 'x', [], [null], {}, { id: {} }, { method: 5, id: 1 }])(
    'finds nothing in %j',
    (body) => {
      expect(factsOf(body)).toEqual({ initialize: false, requestIds: [], cancelledIds: [] });
    },
  );

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

describe('duplicateId', () => {
  it('finds an id under way, and one that stands twice', () => {
    expect(duplicateId([1, 2], new Map([[2, 'x']]))).toBe(2);
    expect(duplicateId(['a', 'b', 'a'], new Map())).toBe('a');
    expect(duplicateId([1, '1'], new Map())).toBeUndefined();
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
