import { expect, it } from 'vitest';
import { prepare } from '../../../src/mcp/arguments.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import type { Tool } from '../../../src/tools/define.ts';
import { TOOLS } from '../../../src/tools/registry.ts';

const bulkPower = TOOLS.find(({ name }) => name === 'bulk_power') as Tool;

function refusalOf(args: unknown): string {
  try {
    prepare(bulkPower, args);
  } catch (error) {
    if (error instanceof CallError) return error.message;
    throw error;
  }
  throw new Error('the arguments were taken');
}

it('tells the first of many problems, and how many more there are', () => {
  const message = refusalOf({ guests: Array.from({ length: 10_000 }, () => 1), action: 'stop' });
  expect(message).toContain('guests.19: ');
  expect(message).not.toContain('guests.20: ');
  expect(message).toMatch(/; and 9980 more\.$/);
  expect(message.length).toBeLessThan(5_000);
});

it('repeats no name of any length', () => {
  expect(refusalOf({ ['x'.repeat(1_000_000)]: 1 }).length).toBeLessThan(5_000);
});

it('tells all of a few', () => {
  const message = refusalOf({ guests: 1, action: 'fly', nonsense: 1 });
  for (const name of ['guests', 'action', 'nonsense']) expect(message).toContain(name);
  expect(message).not.toContain('more');
});
