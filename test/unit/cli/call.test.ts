import { describe, expect, it } from 'vitest';
import { readArguments, readUrl } from '../../../src/cli/call.ts';
import { CliError } from '../../../src/cli/failure.ts';

describe('readArguments', () => {
  it('reads values as JSON where they are JSON, else as text', () => {
    const arg = [
      'limit=5',
      'cluster=production',
      'fields=["name"]',
      'template=true',
      'x=null',
      'pin="100"',
      'e=',
    ];
    expect(readArguments({ arg })).toEqual({
      limit: 5,
      cluster: 'production',
      fields: ['name'],
      template: true,
      x: null,
      pin: '100',
      e: '',
    });
  });

  it('splits at the first equals sign', () => {
    expect(readArguments({ arg: ['net0=virtio,bridge=vmbr0'] })).toEqual({ net0: 'virtio,bridge=vmbr0' });
  });

  it('lets --arg count before --args', () => {
    expect(readArguments({ args: '{"a":1,"b":2}', arg: ['b=3'] })).toEqual({ a: 1, b: 3 });
  });

  it.each(['[1]', '"text"', 'null', '{broken'])('refuses --args %s', (args) => {
    expect(() => readArguments({ arg: [], args })).toThrow('--args must be a JSON object.');
  });

  it.each(['', '=1', 'novalue'])('refuses --arg %j', (pair) => {
    expect(() => readArguments({ arg: [pair] })).toThrow(CliError);
  });

  it('keeps a key that JavaScript uses itself a mere key', () => {
    const args = readArguments({ arg: ['__proto__={"polluted":true}'] });
    expect(Object.keys(args)).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('readUrl', () => {
  it.each([
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8000/mcp'],
    ['http://127.0.0.1:8000/', 'http://127.0.0.1:8000/mcp'],
    ['https://mcp.example.org/proxmox/mcp', 'https://mcp.example.org/proxmox/mcp'],
    ['http://127.0.0.1:8000/mcp/production', 'http://127.0.0.1:8000/mcp/production'],
  ])('reads %s', (text, url) => {
    expect(readUrl(text).href).toBe(url);
  });

  it.each(['', 'localhost:8000', '/mcp', 'ftp://host/mcp', 'file:///etc/passwd'])('refuses %j', (text) => {
    expect(() => readUrl(text)).toThrow(CliError);
  });
});
