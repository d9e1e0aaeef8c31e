import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOLS } from '../../src/tools/registry.ts';
import type { GuardedClient } from '../support/guarded-service.ts';
import { TOOL_CALLS } from '../support/tool-calls.ts';
import { lineOf, ToolSite, WRITES_LATER } from '../support/tool-site.ts';

let site: ToolSite;
let client: GuardedClient;
beforeAll(async () => {
  site = await ToolSite.start();
  client = await site.connect();
}, 60_000);
afterAll(() => site.close());

/** About 25,000 tokens, at which clients cut an answer. */
const MOST_CHARACTERS = 100_000;

it('each tool has one call that the tests of all tools make, and no call is of a tool that is gone', () => {
  expect(Object.keys(TOOL_CALLS).sort()).toEqual(TOOLS.map(({ name }) => name).sort());
});

describe.each(TOOLS.map((tool) => ({ tool, name: tool.name })))('$name', ({ tool, name }) => {
  it('does its work, answers as it says, and asks for nothing else', async () => {
    const { answer, arrived, acts, writes } = await site.run(client, name);
    expect(answer.error).toBeUndefined();
    if (tool.annotations.readOnlyHint) expect(writes).toEqual([]);
    else if (!WRITES_LATER.has(name))
      expect(
        acts.map(lineOf),
        'a tool that may write has to: its call is the test of what keeps it',
      ).not.toEqual([]);
    // What a schema does not name, it takes away.
    expect(tool.output.parse(answer.data)).toEqual(answer.data);
    expect(JSON.stringify(answer.data).length).toBeLessThan(MOST_CHARACTERS);
    expect(site.undeclared(tool, arrived)).toEqual([]);
  });
});
