import { describe, expect, test } from 'vitest';
import { formatEndpoint, parseEndpoint } from '../../../src/config/endpoint.ts';

describe('parseEndpoint', () => {
  test.each([
    ['pve1', 'pve1', 8006],
    ['pve1:443', 'pve1', 443],
    ['https://PVE1.example.org:8006', 'pve1.example.org', 8006],
    ['https://pve1/api2/json', 'pve1', 8006],
    ['https://pve1:8443/api2/json/', 'pve1', 8443],
    [' 192.0.2.7:8006 ', '192.0.2.7', 8006],
    ['[2001:db8::1]:8007', '2001:db8::1', 8007],
    ['[2001:db8::1]', '2001:db8::1', 8006],
    ['2001:db8::1', '2001:db8::1', 8006],
    ['bücher.example', 'xn--bcher-kva.example', 8006],
    ['pve1.', 'pve1', 8006],
  ])('%s', (text, host, port) => {
    expect(parseEndpoint(text)).toEqual({ host, port });
  });

  test.each([
    ['', 'empty'],
    ['http://pve1:8006', 'https'],
    ['ftp://pve1', 'https'],
    ['https://root:hunter2@pve1:8006', 'user'],
    ['https://pve1:8006/?x=1', 'query'],
    ['https://pve1:8006/#x', 'fragment'],
    ['https://pve1:8006/other', 'path'],
    ['https://pve1:8006/api2/json/nodes', 'path'],
    ['pve1:0', 'port'],
    ['pve1:65536', 'port'],
    ['pve1:80x', 'port'],
    ['pve1:', 'port'],
    ['pve 1', 'host name'],
    ['pve1\\evil', 'host name'],
    ['[pve1]:8006', 'IPv6'],
    ['[fe80::1%eth0]:8006', 'host name'],
    ['1.2.3', 'IPv4'],
    ['0x7f.1', 'IPv4'],
    ['2130706433', 'IPv4'],
    ['0x7f000001', 'IPv4'],
    ['büch\\er', 'host name'],
    ['１２７.1', 'IPv4'],
    ['-pve1', 'host name'],
  ])('%s is refused', (text, word) => {
    expect(() => parseEndpoint(text)).toThrow(word);
  });

  test('a refusal repeats nothing of a password in the address', () => {
    expect(() => parseEndpoint('https://root:hunter2@pve1:8006')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});

test('formatEndpoint puts IPv6 into brackets', () => {
  expect(formatEndpoint({ host: '2001:db8::1', port: 8006 })).toBe('[2001:db8::1]:8006');
  expect(formatEndpoint({ host: 'pve1', port: 443 })).toBe('pve1:443');
});
