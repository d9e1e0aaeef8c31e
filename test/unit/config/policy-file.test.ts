import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { parsePolicy } from '../../../src/config/policy-file.ts';
import { ConfigError, type ConfigProblem } from '../../../src/config/problems.ts';

function problemsOf(text: string): string[] {
  const problems: ConfigProblem[] = [];
  expect(parsePolicy(text, 'policy.json', problems)).toBeUndefined();
  expect(problems.length).toBeGreaterThan(0);
  return problems.map(({ field, message }) => `${field ?? ''}: ${message}`);
}

const role = (grant: unknown) => JSON.stringify({ roles: { web: { grants: [grant] } }, principals: [] });
const entry = (one: unknown) => JSON.stringify({ principals: [one] });

describe('a policy file', () => {
  it('may be any of the examples in the documentation', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../docs/policy.md'), 'utf8');
    const examples = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json = '']) => json);
    expect(examples).toHaveLength(3);
    for (const example of examples) {
      const problems: ConfigProblem[] = [];
      parsePolicy(example, 'policy.md', problems);
      expect(problems).toEqual([]);
    }
  });

  it('may be the example', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../policy.example.json'), 'utf8');
    const problems: ConfigProblem[] = [];
    expect(parsePolicy(text, 'policy.example.json', problems)).toMatchObject({
      principals: expect.any(Array),
    });
    expect(problems).toEqual([]);
  });

  it.each([
    ['no JSON', '{', /is not valid JSON/],
    ['a comment', '{"principals":[]} // x', /is not valid JSON/],
    ['a key that stands twice', '{"principals":[],\n"principals":[]}', /^principals: line 2, .*stands twice/],
    ['nothing of what it needs', '{}', /^principals: line 1: is missing/],
    ['an unknown key at the top', '{"principals":[],\n"rolse":{}}', /^rolse: line 2: .*Did you mean "roles"/],
    ['an unknown key of a grant', role({ alow: ['read'] }), /grants\[0\]\.alow: .*Did you mean "allow"/],
    [
      'an unknown key of guests',
      role({ allow: 'read', guests: { tag: 'x' } }),
      /guests\.tag: .*Did you mean "tags"/,
    ],
    [
      'an unknown key of a principal',
      entry({ match: { subject: 'a' }, role: 'viewer' }),
      /Did you mean "roles"/,
    ],
    ['an unknown key of match', entry({ match: { sub: 'a' }, roles: 'viewer' }), /is not a known key/],
    [
      'an unknown key of tenant',
      entry({ match: { subject: 'a' }, roles: 'viewer', tenant: { pool: 'a' } }),
      /"pools"/,
    ],
    ['neither allow nor deny', role({ tools: '*' }), /either "allow" or "deny"/],
    ['both allow and deny', role({ allow: 'read', deny: 'read' }), /either "allow" or "deny"/],
    ['approval of what is denied', role({ deny: 'read', approval: 'self' }), /what is denied needs none/],
    ['an unknown risk', role({ allow: ['write'] }), /must be "\*" or a list of read, change/],
    ['no risk', role({ allow: [] }), /allow/],
    ['an empty list', role({ allow: 'read', tools: [] }), /must not be empty/],
    ['no guests', role({ allow: 'read', guests: {} }), /must name vmids, names, tags or pools/],
    ['wrong VMIDs', role({ allow: 'read', guests: { vmids: '99-' } }), /no VMID and no range/],
    ['VMIDs below 100', role({ allow: 'read', guests: { vmids: 7 } }), /from 100/],
    ['a path without its slash', role({ allow: 'read', paths: 'nodes/*' }), /must begin with "\/"/],
    ['a path with the prefix', role({ allow: 'read', paths: '/api2/json/nodes' }), /paths begin behind it/],
    ['a path with a template', role({ allow: 'read', paths: '/nodes/{node}' }), /is written \*/],
    ['an encoded path', role({ allow: 'read', paths: '/nodes/%2a' }), /holds a character/],
    ['a path that climbs', role({ allow: 'read', paths: '/nodes/../access' }), /empty part/],
    ['a trailing slash', role({ allow: 'read', paths: '/nodes/' }), /empty part/],
    ['** in the middle', role({ allow: 'read', paths: '/nodes/**/config' }), /before its end/],
    ['** within a part', role({ allow: 'read', paths: '/nodes/a**' }), /within a part/],
    ['a method that is none', role({ allow: 'read', methods: 'PATCH' }), /GET, POST, PUT or DELETE/],
    [
      'a place of approval that is none',
      JSON.stringify({ principals: [], approval: { at_client: 'no' } }),
      /approval\.at_client.*must be true or false/,
    ],
    ['an approval that is none', role({ allow: 'read', approval: 'maybe' }), /must be one of none, self/],
    ['an empty match', entry({ match: {}, roles: 'viewer' }), /is everyone/],
    ['a wildcard in a subject', entry({ match: { subject: 'a*' }, roles: 'viewer' }), /matched exactly/],
    ['an unknown scope', entry({ match: { scope: 'proxmox:reed' }, roles: 'viewer' }), /"proxmox:read"/],
    ['an unknown role', entry({ match: { subject: 'a' }, roles: 'viewr' }), /Did you mean "viewer"/],
    [
      'an empty tenant',
      entry({ match: { subject: 'a' }, roles: 'viewer', tenant: {} }),
      /must name pools or tags/,
    ],
    ['a limit of nothing', '{"principals":[],"limits":{"bulk":0}}', /must be 1 or more/],
    ['a ready-made role anew', '{"roles":{"admin":{}},"principals":[]}', /roles\.admin: .*ready-made/],
    [
      'a role that extends itself',
      '{"roles":{"a":{"extends":"b"},"b":{"extends":"a"}},"principals":[]}',
      /extends itself/,
    ],
    ['a role that extends nothing', '{"roles":{"a":{"extends":"b"}},"principals":[]}', /names the role "b"/],
    ['a key of every object', '{"__proto__":{"read_only":true},"principals":[]}', /__proto__/],
    ['a role of that name', '{"roles":{"__proto__":{}},"principals":[]}', /__proto__/],
    ['a role like a method', '{"roles":{"constructor()":{}},"principals":[]}', /the name of a role/],
    ['a role that objects have', entry({ match: { subject: 'a' }, roles: 'constructor' }), /does not exist/],
    ['a list at the top', '[]', /must be an object/],
    ['nesting without end', '['.repeat(200_000), /nested too deep|not valid JSON/],
    ['a file without end', `{"description":"${'x'.repeat(1024 * 1024)}"}`, /is longer than/],
    ['too long a text', role({ allow: 'read', tools: 'x'.repeat(301) }), /tools/],
  ])('with %s is refused, with its place', (_what, text, message) => {
    expect(problemsOf(text).join('\n')).toMatch(message);
  });

  it('names at most 25 of its problems', () => {
    const roles = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`r${index}`, { extends: 'nobody' }]),
    );
    const all = problemsOf(JSON.stringify({ roles, principals: [] }));
    expect(all).toHaveLength(26);
    expect(all.at(-1)).toMatch(/and 75 problems more/);
  });
});

describe('POLICY_FILE', () => {
  const folder = mkdtempSync(join(tmpdir(), 'policy-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const env = {
    MCP_AUTH: 'none',
    PROXMOX_API_URL: 'https://pve.example:8006',
    PROXMOX_TOKEN_ID: 'mcp@pve!mcp',
    PROXMOX_TOKEN_SECRET: 'secret',
  };
  const load = (file?: string) =>
    loadConfig({ env: { ...env, ...(file === undefined ? {} : { POLICY_FILE: file }) }, cwd: folder });

  it('is read, and watched with the other files', () => {
    writeFileSync(join(folder, 'policy.json'), entry({ match: { subject: 'alice' }, roles: 'viewer' }));
    const config = load('policy.json');
    expect(config.policyFile).toBe(join(folder, 'policy.json'));
    expect(config.policy?.principals[0]?.roles).toEqual(['viewer']);
    expect(config.files).toContain(join(folder, 'policy.json'));
    expect(load().policy).toBeUndefined();
  });

  it('has to be there and to be right, and is watched even so', () => {
    for (const name of ['missing.json', 'wrong.json']) {
      writeFileSync(join(folder, 'wrong.json'), '{"principals":"all"}');
      try {
        load(name);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        expect((error as ConfigError).files).toContain(join(folder, name));
      }
    }
  });

  it('misspelt is named', () => {
    const { warnings } = loadConfig({ env: { ...env, POLICY_FIEL: 'policy.json' }, cwd: folder });
    expect(warnings.join()).toMatch(/POLICY_FIEL .*did you mean POLICY_FILE/);
  });
});
