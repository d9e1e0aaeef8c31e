import type { DeclaredPermissions } from '../../src/simulator/permissions.ts';

/** Who may call a method, as one line that is the same for all ways to write the same. */
export function permissionText(permissions: DeclaredPermissions | undefined): string {
  if (permissions?.user !== undefined) return permissions.user;
  return permissions?.check === undefined ? 'root@pam alone' : checkText(permissions.check);
}

function checkText([kind, ...rest]: readonly unknown[]): string {
  if (kind === 'perm') return placeText(rest);
  if (kind !== 'and' && kind !== 'or') return JSON.stringify([kind, ...rest]);
  const parts = rest.map((part) => (Array.isArray(part) ? checkText(part) : String(part)));
  return parts.length === 1 ? parts.join() : `(${parts.join(` ${kind} `)})`;
}

/** `any` of one privilege is that privilege, and neither order nor repetition of privileges means anything. */
function placeText([path, privileges, ...options]: readonly unknown[]): string {
  const names = [...new Set(Array.isArray(privileges) ? privileges.map(String) : [])].sort();
  const option = (name: string): unknown => {
    const position = options.indexOf(name);
    return position < 0 ? undefined : options[position + 1];
  };
  const needed = option('require_param');
  const held = names.join(option('any') ? ' or ' : ' and ');
  return `${held} on ${String(path)}${needed === undefined ? '' : ` where ${String(needed)} is given`}`;
}
