import { describe, expect, it } from 'vitest';
import { addressOfHop, HOP_HEADER, type HopRequest, signHop } from '../../../src/replicas/hop.ts';

const KEY = Buffer.alloc(32, 1);
const NOW = 1_700_000_000_000;

function requestWith(changes: Partial<HopRequest> = {}, headers: HopRequest['headers'] = {}): HopRequest {
  return {
    method: 'POST',
    url: '/mcp',
    headers: { authorization: 'Bearer one', 'mcp-session-id': 'a.b', ...headers },
    ...changes,
  };
}

/** As the other replica sees it. */
function received(request: HopRequest, hop: string): HopRequest {
  return { ...request, headers: { ...request.headers, [HOP_HEADER]: hop } };
}

describe('a hop', () => {
  it('tells the address of the client', () => {
    for (const address of ['203.0.113.7', '2001:db8::1', '']) {
      const hop = signHop(requestWith(), KEY, address, NOW);
      expect(addressOfHop(received(requestWith(), hop), KEY, NOW + 59_000)).toBe(address);
    }
  });

  it.each([
    ['another method', requestWith({ method: 'GET' })],
    ['another path', requestWith({ url: '/mcp/prod' })],
    ['another session', requestWith({}, { 'mcp-session-id': 'a.c' })],
    ['another token', requestWith({}, { authorization: 'Bearer two' })],
    ['a key beside the token', requestWith({}, { 'x-api-key': 'pmk_x' })],
  ])('is for one request: not for %s', (_what, other) => {
    const hop = signHop(requestWith(), KEY, '203.0.113.7', NOW);
    expect(addressOfHop(received(other, hop), KEY, NOW)).toBeUndefined();
  });

  it('is nothing with another key, another address, or at another time', () => {
    const hop = signHop(requestWith(), KEY, '203.0.113.7', NOW);
    const [version, at, , mac] = hop.split('.');
    const forged = [version, at, Buffer.from('203.0.113.8').toString('base64url'), mac].join('.');
    expect(addressOfHop(received(requestWith(), hop), Buffer.alloc(32, 2), NOW)).toBeUndefined();
    expect(addressOfHop(received(requestWith(), forged), KEY, NOW)).toBeUndefined();
    for (const later of [61_000, -61_000]) {
      expect(addressOfHop(received(requestWith(), hop), KEY, NOW + later)).toBeUndefined();
    }
    for (const text of ['', '1', '1.2.3', 'x'.repeat(500), '1..a.b', `2${hop.slice(1)}`]) {
      expect(addressOfHop(received(requestWith(), text), KEY, NOW)).toBeUndefined();
    }
  });

  it('holds nothing of the token', () => {
    expect(signHop(requestWith(), KEY, '203.0.113.7', NOW)).not.toContain('one');
  });
});
