import { expect, test } from 'vitest';
import type { UsableTool } from '../../../../src/access/policy/policy.ts';
import { ToolNeeds } from '../../../../src/access/policy/tools.ts';

const START = [['POST', '/nodes/{node}/qemu/{vmid}/status/start']] as const;
const REMOVE = [['DELETE', '/nodes/{node}/qemu/{vmid}']] as const;
const tool = (calls?: UsableTool['calls'], readOnlyHint = false): UsableTool => ({
  name: 't',
  readOnlyHint,
  ...(calls === undefined ? {} : { calls }),
});

test('what a tool needs is worked out once, and belongs to its calls alone', () => {
  const needs = new ToolNeeds();
  const ofStart = needs.of(tool(START));
  expect(ofStart.map(({ risks }) => risks)).toContainEqual(['change']);
  expect(needs.of(tool(START))).toBe(ofStart);
  expect(needs.of(tool(REMOVE)).map(({ risks }) => risks)).toContainEqual(['destroy']);
});

test('a tool that only reads needs reading, whatever it may call; one that calls anything, any risk', () => {
  const needs = new ToolNeeds();
  expect(needs.of(tool(REMOVE))).not.toEqual([{ risks: ['read'], method: 'GET' }]);
  expect(needs.of(tool(REMOVE, true))).toEqual([{ risks: ['read'], method: 'GET' }]);
  expect(needs.of(tool())).toEqual(needs.of(tool([])));
  expect(needs.of(tool()).map(({ risks }) => risks)).toContainEqual(['execute']);
});
