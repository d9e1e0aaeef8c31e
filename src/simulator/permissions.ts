import { forbidden } from './errors.ts';
import type { Identity } from './state/access.ts';
import type { ClusterState } from './state/cluster-state.ts';

type Given = Record<string, unknown>;

/** As in the schema; a method without any is for root@pam alone. */
export interface DeclaredPermissions {
  readonly user?: string;
  readonly check?: readonly unknown[];
}

interface Question {
  state: ClusterState;
  identity: Identity;
  given: Given;
}

/** Throws PVE's 403, which names the path and the privilege, when the caller lacks what the method asks for. */
export function requirePermissions(
  state: ClusterState,
  identity: Identity,
  permissions: DeclaredPermissions | undefined,
  given: Given,
): void {
  if (identity.id === 'root@pam') return;
  if (!permissions) throw forbidden('user != root@pam');
  if (permissions.check === undefined) {
    if (permissions.user === undefined) throw forbidden();
    return;
  }
  const refusal = refusalOf({ state, identity, given }, permissions.check);
  if (refusal !== undefined) throw forbidden(refusal);
}

type Test = (question: Question, check: readonly unknown[]) => string | undefined;

/** One test per kind of check. Each answers undefined when it passes, else what the 403 says was missing. */
const TESTS: Record<string, Test> = {
  perm: permRefusal,
  and: (question, [, ...parts]) => {
    return parts.map((part) => refusalOf(question, part)).find((refusal) => refusal !== undefined);
  },
  or: (question, [, ...parts]) => {
    return parts.some((part) => refusalOf(question, part) === undefined) ? undefined : '';
  },
  'userid-param': ({ identity, state, given }, [, what]) => {
    const subject = String(given.userid ?? '');
    if (what === 'self') return subject === identity.id ? undefined : '';
    const realm = given.realm ?? subject.split('@').at(-1);
    return missing({ state, identity, given }, `/access/realm/${String(realm)}`, [String(what)], false);
  },
  'userid-group': groupRefusal,
  'perm-modify': ({ state, identity, given }, [, template]) => {
    const path = expand(String(template), given);
    const [, branch = ''] = path.split('/');
    const own = { storage: 'Datastore.Allocate', vms: 'VM.Allocate', pool: 'Pool.Allocate' }[branch];
    const privileges = ['Permissions.Modify', ...(own === undefined ? [] : [own])];
    return missing({ state, identity, given }, path, privileges, true);
  },
};

function refusalOf(question: Question, check: unknown): string | undefined {
  if (!Array.isArray(check)) return '';
  const [kind] = check;
  const test = Object.hasOwn(TESTS, String(kind)) ? TESTS[String(kind)] : undefined;
  return test ? test(question, check) : '';
}

function permRefusal(
  question: Question,
  [, template, privileges, ...options]: readonly unknown[],
): string | undefined {
  const needed = option(options, 'require_param');
  if (needed !== undefined && question.given[String(needed)] === undefined) return '';
  const path = expand(String(template), question.given);
  return missing(question, path, asNames(privileges), Boolean(option(options, 'any')));
}

/** Rights over all groups, or over every group that the call names. */
function groupRefusal(
  question: Question,
  [, privileges, ...options]: readonly unknown[],
): string | undefined {
  const names = asNames(privileges);
  const overAll = missing(question, '/access/groups', names, true);
  if (overAll === undefined || option(options, 'groups_param') === undefined) return overAll;
  const groups = String(question.given.groups ?? '')
    .split(/[,;\s]+/)
    .filter(Boolean);
  if (groups.length === 0) return overAll;
  return groups
    .map((group) => missing(question, `/access/groups/${group}`, names, true))
    .find((refusal) => refusal !== undefined);
}

/** What 9.0 put in the place of a privilege that older schemas still name. */
const REPLACED: Record<string, string> = { 'VM.Monitor': 'VM.GuestAgent.Unrestricted' };

/** Of several privileges that are all needed, PVE names the first that is missing. */
function missing(
  { state, identity }: Question,
  path: string,
  privileges: string[],
  any: boolean,
): string | undefined {
  const privilegesHeld = state.access.privileges(identity, path);
  const held = { has: (privilege: string) => privilegesHeld.has(REPLACED[privilege] ?? privilege) };
  if (any) {
    return privileges.some((privilege) => held.has(privilege))
      ? undefined
      : `${path}, ${privileges.join('|')}`;
  }
  const first = privileges.find((privilege) => !held.has(privilege));
  return first === undefined ? undefined : `${path}, ${first}`;
}

function option(options: unknown[], name: string): unknown {
  const position = options.indexOf(name);
  return position < 0 ? undefined : options[position + 1];
}

function asNames(privileges: unknown): string[] {
  return Array.isArray(privileges) ? privileges.map(String) : [];
}

function expand(template: string, given: Given): string {
  return template.replaceAll(/\{([^}]+)\}/g, (_match, name: string) => String(given[name] ?? ''));
}
