import { describe, expect, it } from 'vitest';
import { passedOn } from '../../../src/http/forward.ts';

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
