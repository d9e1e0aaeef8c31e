import { describe, expect, it } from 'vitest';
import { readDuration } from '../../../src/cli/duration.ts';
import { CliError } from '../../../src/cli/failure.ts';
import { readScopes } from '../../../src/cli/scopes.ts';

function failure(work: () => unknown): CliError {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('readDuration', () => {
  it.each([
    ['90s', 90],
    ['45m', 2700],
    ['12h', 43_200],
    ['30d', 2_592_000],
    ['365d', 31_536_000],
    [' 1d ', 86_400],
  ])('reads %j', (text, seconds) => {
    expect(readDuration('--lifetime', text, 1)).toBe(seconds);
  });

  it.each(['', '0s', '-1d', '1.5h', '30', 'd', '1y', '366d', '8761h', '1d2h', '1e3s', '999999999999d'])(
    'refuses %j as a usage error',
    (text) => {
      expect(failure(() => readDuration('--lifetime', text, 1)).exitCode).toBe(2);
    },
  );
});

describe('readScopes', () => {
  it.each([
    ['proxmox:read', 'proxmox:read'],
    ['proxmox:read  proxmox:change', 'proxmox:read proxmox:change'],
    ['proxmox:read,proxmox:destroy', 'proxmox:read proxmox:destroy'],
    ['proxmox:read proxmox:read', 'proxmox:read'],
  ])('reads %j', (text, scopes) => {
    expect(readScopes(text)).toBe(scopes);
  });

  it('refuses an unknown scope, suggests the near one and names all', () => {
    const error = failure(() => readScopes('proxmox:read proxmox:chagne'));
    expect(error.exitCode).toBe(2);
    expect(error.message).toBe('There is no scope "proxmox:chagne". Did you mean "proxmox:change"?');
    expect(error.fix).toContain('proxmox:read, proxmox:change, proxmox:destroy');
  });

  it.each(['', ' , '])('refuses %j', (text) => {
    expect(failure(() => readScopes(text)).message).toBe('--scope must not be empty.');
  });
});
