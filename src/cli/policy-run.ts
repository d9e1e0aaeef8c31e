import { createPolicy, type Policy } from '../access/policy/policy.ts';
import { type Principal, parseScopes } from '../access/principal.ts';
import { Environment } from '../config/environment.ts';
import { readPolicyFile, readPolicyPath } from '../config/policy-file.ts';
import { READY_MADE_ROLES } from '../config/policy-roles.ts';
import type { PolicyFile } from '../config/policy-schema.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { TOOLS } from '../tools/registry.ts';
import { usageError } from './failure.ts';
import { print, printJson } from './output.ts';
import type { AsOptions, PolicyFileOptions } from './policy.ts';
import { readScopes } from './scopes.ts';

/** Checks the policy and prints a summary. @throws ConfigError where it can't be used */
export function runPolicyCheck(options: PolicyFileOptions): void {
  const { file, path } = loadChecked(options);
  if (file === undefined) throw noPolicy();
  const principals = file.principals.map(({ match, roles, tenant, read_only, description }) => ({
    match,
    roles,
    ...(tenant === undefined ? {} : { tenant }),
    ...(read_only ? { read_only } : {}),
    ...(description === undefined ? {} : { description }),
  }));
  const used = new Set(rolesReached(file));
  const unused = Object.keys(file.roles ?? {}).filter((name) => !used.has(name));
  if (options.json) {
    printJson({ ok: true, path, principals, unused_roles: unused });
    return;
  }
  print(`${path} can be used: ${counted(principals.length, 'entry', 'entries')} of principals.`);
  for (const [index, entry] of principals.entries()) print(`  principals[${index}]: ${inWords(entry)}`);
  for (const line of generalLines(file)) print(`  ${line}`);
  if (unused.length > 0)
    print(`No principal has the ${unused.length === 1 ? 'role' : 'roles'} ${unused.join(', ')}.`);
  if (principals.length === 0) print('It names no principal: nobody may do anything.');
}

/** Prints what the policy says of one principal. @throws ConfigError where it can't be used */
export function runPolicyShow(options: AsOptions): void {
  const { policy, path } = loadPolicy(options);
  const principal = principalOf(options);
  const tools = TOOLS.filter((tool) =>
    policy.mayUse(principal, {
      name: tool.name,
      readOnlyHint: tool.annotations.readOnlyHint,
      calls: tool.calls,
    }),
  ).map(({ name }) => name);
  const tenant = policy.tenantOf(principal);
  const limits = policy.limitsOf(principal);
  const rules = policy.describe(principal);
  if (options.json) {
    printJson({ path, subject: principal.subject, rules, tenant, limits, tools });
    return;
  }
  print(`${principal.subject}, by ${path ?? 'the scopes alone (no POLICY_FILE)'}:`);
  for (const rule of rules) print(`  ${rule}`);
  if (tenant) {
    print(`  only guests ${tenantInWords(tenant)}`);
  }
  if (limits.callsPerMinute !== undefined) print(`  at most ${limits.callsPerMinute} calls a minute`);
  if (limits.bulk !== undefined) print(`  at most ${limits.bulk} changes at once`);
  print(`  tools: ${tools.join(', ') || 'none'}`);
}

function tenantInWords({ pools, tags }: { pools: readonly string[]; tags: readonly string[] }): string {
  const parts = [
    ...(pools.length === 0 ? [] : [`of ${pools.length === 1 ? 'pool' : 'pools'} ${pools.join(', ')}`]),
    ...(tags.length === 0 ? [] : [`with ${tags.length === 1 ? 'tag' : 'tags'} ${tags.join(', ')}`]),
  ];
  return parts.join(', or ') || 'of no pool and no tag: none';
}

/** The policy that a command is about, and where it stands; without a file, the one that a service would have. */
export function loadPolicy(options: PolicyFileOptions): { policy: Policy; path: string | undefined } {
  const { file, path } = loadChecked(options);
  return { policy: createPolicy(file), path };
}

/** Who is asked about, from the command line. @throws CliError for a scope that does not exist */
export function principalOf({ as, group, client, scope }: AsOptions): Principal {
  if (as.trim() === '') throw usageError('--as must not be empty.');
  return {
    id: `cli:${as}`,
    subject: as,
    groups: group,
    scopes: parseScopes(readScopes(scope)),
    credential: 'local',
    ...(client === undefined ? {} : { client }),
  };
}

function loadChecked({ file: named, json }: PolicyFileOptions): {
  file: PolicyFile | undefined;
  path: string | undefined;
} {
  const problems: ConfigProblem[] = [];
  // A path on the command line is meant as POLICY_FILE of this one run.
  const env =
    named === undefined ? process.env : { ...process.env, POLICY_FILE: named, POLICY_FILE_FILE: undefined };
  const environment = new Environment(env, process.cwd(), problems);
  const path = readPolicyPath(environment, process.cwd());
  const file = path === undefined ? undefined : readPolicyFile(path, environment, problems);
  if (problems.length > 0) {
    const told = named === undefined ? problems : problems.map(blamingOption);
    if (json) printJson({ ok: false, problems: told });
    throw new ConfigError(told);
  }
  return { file, path };
}

function blamingOption(problem: ConfigProblem): ConfigProblem {
  return {
    ...problem,
    source: problem.source === 'POLICY_FILE' ? '--file' : problem.source,
    ...(problem.field === 'POLICY_FILE' ? { field: '--file' } : {}),
  };
}

function noPolicy() {
  return usageError(
    'There is no policy: POLICY_FILE is not set.',
    'Set it in .env or the environment, or give --file; policy.example.json is one to begin with.',
  );
}

function rolesReached({ roles = {}, principals }: PolicyFile): string[] {
  const reached: string[] = [];
  const waiting = principals.flatMap((entry) => entry.roles);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (reached.includes(name)) continue;
    reached.push(name);
    if (Object.hasOwn(roles, name)) waiting.push(...(roles[name]?.extends ?? []));
  }
  return reached;
}

function inWords({
  match,
  roles,
  tenant,
  read_only,
}: Pick<PolicyFile['principals'][number], 'match' | 'roles' | 'tenant' | 'read_only'>): string {
  const who = Object.entries(match).map(([key, values]) => `${key} ${values?.join(' or ')}`);
  const known = roles.map((name) => {
    const text = Object.hasOwn(READY_MADE_ROLES, name) ? READY_MADE_ROLES[name]?.description : undefined;
    return text === undefined ? name : `${name} (${text})`;
  });
  const bound = [
    ...(tenant?.pools === undefined ? [] : [`pools ${tenant.pools.join(', ')}`]),
    ...(tenant?.tags === undefined ? [] : [`tags ${tenant.tags.join(', ')}`]),
  ];
  return [
    `${who.join(', ')}: ${known.join('; ')}`,
    ...(bound.length === 0 ? [] : [`only guests of ${bound.join(' or ')}`]),
    ...(read_only ? ['only reads'] : []),
  ].join('; ');
}

function generalLines(file: PolicyFile): string[] {
  const { protected: guarded, approval, limits } = file;
  return [
    ...(file.read_only ? ['read_only: nobody changes anything'] : []),
    ...(guarded === undefined ? [] : [`protected: ${JSON.stringify(guarded)}`]),
    ...(approval === undefined ? [] : [`approval: ${JSON.stringify(approval)}`]),
    ...(limits === undefined ? [] : [`limits: ${JSON.stringify(limits)}`]),
  ];
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
