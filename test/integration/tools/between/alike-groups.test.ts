import { describe, expect, it } from 'vitest';
import { alikeClient, applied, PAIR } from '../../../support/alike-client.ts';

describe('security groups that are made alike', () => {
  const rule = (dport: string, more: object = {}) => ({
    type: 'in',
    action: 'ACCEPT',
    enable: 1,
    proto: 'tcp',
    dport,
    ...more,
  });
  const DROP = { type: 'in', action: 'DROP', enable: 1 };

  async function between(now: object[], wanted: object[]) {
    const tools = await alikeClient();
    tools.source.groups.web = { rules: wanted as never };
    tools.target.groups.web = { rules: structuredClone(now) as never };
    return tools;
  }

  it.each([
    ['a rule in the middle', [rule('22'), DROP], [rule('22'), rule('80'), DROP], 3],
    ['a rule at the end', [rule('22')], [rule('22'), DROP], 3],
    ['a rule in front', [rule('22')], [rule('80'), rule('22')], 1],
    ['another port', [rule('22'), DROP], [rule('2222'), DROP], 1],
    ['no comment any more', [rule('22', { comment: 'x' })], [rule('22')], 1],
    ['fewer rules', [rule('22'), rule('80'), rule('81'), DROP], [rule('80'), DROP], 2],
    ['another order', [DROP, rule('22')], [rule('22'), DROP], 4],
    ['a rule that is off', [DROP], [rule('22'), rule('23', { enable: 0 }), DROP], 3],
    ['all in an empty one', [], [rule('22'), rule('80'), DROP], 7],
  ])('come to %s, each write in its place', async (_what, now, wanted, writes) => {
    const tools = await between(now, wanted);
    await applied(tools, { kinds: ['groups'] });
    expect(tools.target.groups.web?.rules).toEqual(wanted);
    expect(tools.target.writes()).toHaveLength(writes);
    tools.target.forget();
    expect(await tools.call('sync_definitions', { ...PAIR, apply: true, kinds: ['groups'] })).toMatchObject({
      targets: [{ alike: 1 }],
    });
    expect(tools.target.writes()).toEqual([]);
  });

  it('have no moment in which a new rule decides at a wrong place', async () => {
    const tools = await between([rule('22'), rule('80')], [rule('22'), rule('80'), DROP]);
    await applied(tools, { kinds: ['groups'] });
    const [made, moved, enabled] = tools.target.cluster.requests.filter(({ method }) => method !== 'GET');
    expect(made?.params).toMatchObject({ action: 'DROP', enable: '0' });
    expect(moved?.params).toMatchObject({ moveto: '3' });
    expect(enabled?.params).toMatchObject({ enable: '1' });
  });

  it('carry the digest of what was read, and stop where somebody else changes them', async () => {
    const tools = await between([rule('22'), rule('80'), DROP], [rule('23'), rule('81'), DROP]);
    const { target } = tools;
    const args = { ...PAIR, apply: true, kinds: ['groups'] };
    const { plan } = await tools.refused('sync_definitions', args);
    expect(plan.calls[0].parameters).toHaveProperty('digest');
    // Between the first write and the second, somebody puts a rule in front.
    const { faults } = target.cluster;
    const intruder = faults.add({
      kind: 'slow',
      ms: 1,
      match: (line) => {
        const rules = target.groups.web?.rules ?? [];
        const isNext = line.startsWith('GET /cluster/firewall/groups/web') && rules[0]?.dport === '23';
        if (isNext) rules.unshift(rule('9999') as never);
        return isNext;
      },
    });
    const answer = await tools.call('sync_definitions', { ...args, handle: plan.handle });
    expect(answer.rows[0]).toMatchObject({ result: 'failed', code: 'CONFLICT' });
    expect(answer.rows[0].message).toContain('1 of its 2 writes were made');
    expect(target.writes()).toHaveLength(1);
    await intruder.remove();
    await applied(tools, { kinds: ['groups'] });
    expect(target.groups.web?.rules).toEqual([rule('23'), rule('81'), DROP]);
  });
});
