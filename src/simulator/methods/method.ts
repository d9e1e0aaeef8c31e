import type { Identity } from '../state/access.ts';
import { type ClusterState, requireGuest } from '../state/cluster-state.ts';
import type { Guest, GuestType } from '../state/guest.ts';
import type { ParameterSchema, Parameters, Properties } from '../verify.ts';

/** A permission check in the shape of PVE's schema; the last items of `perm` are its options, as pairs. */
export type Check =
  | readonly ['perm', string, readonly string[], ...(string | number)[]]
  | readonly ['and' | 'or', ...Check[]];

/** `world` needs no login, `all` needs any login, `check` needs privileges. */
export type Permissions = { user: 'world' | 'all' } | { check: Check };

type Verb = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** One method of the API, declared as PVE's schema declares it, and what it does. */
export interface Method {
  method: Verb;
  /** As in the schema: `/nodes/{node}/qemu/{vmid}/config` */
  path: string;
  properties?: Properties;
  permissions: Permissions;
  /** Whether an API token may call it; default yes. */
  allowtoken?: 0 | 1;
  /** The last placeholder takes the rest of the path, slashes and all. */
  openEnded?: true;
  handler: (call: Call) => unknown;
}

/** One verified, permitted call. */
export interface Call {
  state: ClusterState;
  identity: Identity;
  /** The node whose address was called; the node the call is for is a parameter. */
  localNode: string;
  parameters: Parameters;
}

/** A list whose envelope also says how many rows there are in all, or what has changed but does not apply yet. */
export class Listing {
  readonly rows: unknown[];
  readonly total: number | undefined;
  readonly changes: string | undefined;

  constructor(rows: unknown[], total?: number, changes?: string) {
    this.rows = rows;
    this.total = total;
    this.changes = changes;
  }
}

export const node: ParameterSchema = { type: 'string', format: 'pve-node' };
export const vmid: ParameterSchema = {
  type: 'integer',
  format: 'pve-vmid',
  minimum: 100,
  maximum: 999_999_999,
};
export const storage: ParameterSchema = { type: 'string', format: 'pve-storage-id' };
export const snapname: ParameterSchema = { type: 'string', format: 'pve-configid', maxLength: 40 };
export const string: ParameterSchema = { type: 'string' };
export const boolean: ParameterSchema = { type: 'boolean', optional: 1 };
export const optional = (schema: ParameterSchema): ParameterSchema => ({ ...schema, optional: 1 });
export const integer = (minimum?: number, maximum?: number): ParameterSchema => ({
  type: 'integer',
  optional: 1,
  ...(minimum === undefined ? {} : { minimum }),
  ...(maximum === undefined ? {} : { maximum }),
});

export const onGuest = (...privileges: string[]): Permissions => {
  return { check: ['perm', '/vms/{vmid}', privileges, 'any', 1] };
};

/** A required text parameter; verification has made sure that it is there. */
export function text(call: Call, name: string): string {
  return String(call.parameters[name] ?? '');
}

export function optionalText(call: Call, name: string): string | undefined {
  const value = call.parameters[name];
  return value === undefined ? undefined : String(value);
}

export function number(call: Call, name: string, fallback = 0): number {
  return Number(call.parameters[name] ?? fallback);
}

export function flag(call: Call, name: string): boolean {
  return call.parameters[name] === 1;
}

export function guestOf(call: Call, type: GuestType): Guest {
  return requireGuest(call.state, text(call, 'node'), type, number(call, 'vmid'));
}

/** The rows of an index page, each under PVE's key for it. */
export const index = (key: string, names: string[]): Record<string, string>[] => {
  return names.map((name) => ({ [key]: name }));
};
