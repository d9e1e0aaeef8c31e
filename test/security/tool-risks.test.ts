import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Risk } from '../../src/catalogue/types.ts';
import { POLICY_RISKS } from '../../src/config/policy-schema.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import type { GuardedClient } from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';
import { ALL_RIGHTS, isOwnRead, lineOf, NO_APPROVAL, ToolSite, WRITES_LATER } from '../support/tool-site.ts';

let site: ToolSite;
let client: GuardedClient;
/** What each tool's call does where nothing is forbidden, by risk: the writes, and all. */
const risksOfWrites = new Map<string, Set<Risk>>();
const risksOfAll = new Map<string, Set<Risk>>();

beforeAll(async () => {
  site = await ToolSite.start();
  client = await site.connect();
  for (const { name } of TOOLS) {
    const { arrived } = await site.run(client, name);
    const writes = arrived.filter(({ method }) => method !== 'GET');
    risksOfWrites.set(name, new Set(writes.flatMap((one) => site.risksOf(one))));
    risksOfAll.set(name, new Set(arrived.flatMap((one) => site.risksOf(one))));
  }
}, 60_000);
afterAll(() => site.close());

function use(grants: object[]): void {
  site.use(
    policyOf({
      roles: { tested: { grants } },
      principals: [{ match: { subject: '*' }, roles: 'tested' }],
      approval: NO_APPROVAL,
    }),
  );
}

/** Of a call, what is forbidden and left all the same. */
async function calledWithout(risk: Risk, tool: string) {
  const { answer, arrived } = await site.run(client, tool);
  const asked = arrived.filter((request) => !isOwnRead(request));
  expect(asked.filter((one) => site.risksOf(one).includes(risk)).map(lineOf)).toEqual([]);
  return { answer, asked };
}

it('the calls of these tests are of every risk', () => {
  for (const risk of POLICY_RISKS) {
    if (risk === 'read') continue;
    expect([...risksOfWrites.values()].filter((risks) => risks.has(risk)).length, risk).toBeGreaterThan(3);
  }
});

describe.each(POLICY_RISKS)('a policy that forbids %s', (risk) => {
  const rest = POLICY_RISKS.filter((other) => other !== risk);
  let listed: ReadonlySet<string>;
  beforeAll(async () => {
    use([{ allow: rest }]);
    listed = new Set(await client.tools());
  });

  it('lists the tools that are of use without it', () => {
    for (const { name, annotations } of TOOLS) {
      if (annotations.readOnlyHint) expect(listed.has(name), name).toBe(risk !== 'read');
    }
  });

  it.each(TOOLS.map(({ name }) => name))('lets nothing of it leave with %s', async (tool) => {
    use([{ allow: rest }]);
    const { answer, asked } = await calledWithout(risk, tool);
    const needsIt = risksOfWrites.get(tool)?.has(risk) ?? false;
    const touches = risksOfAll.get(tool)?.has(risk) ?? false;
    if (!listed.has(tool)) {
      expect(answer.error?.code).toBe('POLICY_DENIED');
      expect(asked).toEqual([]);
    } else if (needsIt) expect(answer.error?.code).toBe('POLICY_DENIED');
    else if (!touches && risk !== 'read' && !WRITES_LATER.has(tool)) expect(answer.error).toBeUndefined();
    if (!needsIt) return;
    use([{ allow: '*' }, { deny: risk, tools: tool }]);
    expect((await calledWithout(risk, tool)).answer.error?.code).toBe('POLICY_DENIED');
  });
});

it('with all rights again, the same calls go through', async () => {
  site.use(ALL_RIGHTS);
  const { answer, writes } = await site.run(client, 'delete_guest');
  expect(answer.error).toBeUndefined();
  expect(writes).not.toEqual([]);
});
