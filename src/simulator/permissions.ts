import { forbidden } from './errors.ts';
import type { Check, Permissions } from './methods/method.ts';
import type { Identity } from './state/access.ts';
import type { ClusterState } from './state/cluster-state.ts';

type Given = Record<string, unknown>;

/** Throws PVE's 403, which names the path and the privilege, when the caller lacks what the method asks for. */
export function requirePermissions(
  state: ClusterState,
  identity: Identity,
  permissions: Permissions,
  given: Given,
): void {
  if ('user' in permissions) return;
  const refusal = refusalOf(state, identity, permissions.check, given);
  if (refusal !== undefined) throw forbidden(refusal);
}

/** @returns undefined when the check passes, else what the 403 says was missing (empty for an `or`) */
function refusalOf(state: ClusterState, identity: Identity, check: Check, given: Given): string | undefined {
  if (check[0] === 'perm') return permRefusal(state, identity, check, given);
  const [operator, ...parts] = check;
  const refusals = parts.map((part) => refusalOf(state, identity, part, given));
  if (operator === 'and') return refusals.find((refusal) => refusal !== undefined);
  return refusals.includes(undefined) ? undefined : '';
}

function permRefusal(
  state: ClusterState,
  identity: Identity,
  [, template, privileges, ...options]: Extract<Check, readonly ['perm', ...unknown[]]>,
  given: Given,
): string | undefined {
  const option = (name: string): string | number | undefined => options[options.indexOf(name) + 1];
  const needed = options.includes('require_param') ? option('require_param') : undefined;
  if (needed !== undefined && given[needed] === undefined) return '';
  const path = template.replaceAll(/\{([^}]+)\}/g, (_match, name: string) => String(given[name] ?? ''));
  const held = state.access.privileges(identity, path);
  const any = options.includes('any');
  const passes = any ? privileges.some((p) => held.has(p)) : privileges.every((p) => held.has(p));
  return passes ? undefined : `${path}, ${privileges.join(any ? '|' : ', ')}`;
}
