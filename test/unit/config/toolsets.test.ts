import { describe, expect, it } from 'vitest';
import { DEFAULT_TOOLSETS, readToolsets, TOOLSETS } from '../../../src/config/toolsets.ts';
import { fileWith, load, refusal } from '../../support/config-folder.ts';

const FILES = { 'clusters.json': fileWith() };

function toolsets(value?: string): string[] {
  return [...load({ files: FILES, env: value === undefined ? {} : { MCP_TOOLSETS: value } }).toolsets];
}

describe('MCP_TOOLSETS', () => {
  it('is the default list where nothing is set', () => {
    expect(toolsets()).toEqual(['inventory', 'guests', 'snapshots', 'tasks', 'api']);
    expect(toolsets('')).toEqual(toolsets());
  });

  it.each([
    ['all', TOOLSETS],
    ['ALL, firewall', TOOLSETS],
    ['firewall', ['firewall']],
    [' Ceph , ha ,ceph', ['ceph', 'ha']],
    ['default,backups', [...DEFAULT_TOOLSETS, 'backups']],
  ])('%s', (value, expected) => {
    expect(toolsets(value)).toEqual(expected);
  });

  it.each(['firewal', 'all,everything', 'core', 'inventory;guests', '__proto__', 'constructor'])(
    '%s stops the start, with the names that there are',
    (value) => {
      const { message } = refusal({ files: FILES, env: { MCP_TOOLSETS: value } });
      expect(message).toContain('MCP_TOOLSETS');
      expect(message).toContain('which is no toolset');
      expect(message).toContain(TOOLSETS.join(', '));
    },
  );
});

describe('a list of toolsets', () => {
  it('names every unknown one', () => {
    expect(readToolsets(['ha', 'x', 'y'])).toEqual({ unknown: ['x', 'y'] });
    expect(readToolsets([])).toEqual({ toolsets: new Set() });
  });
});
