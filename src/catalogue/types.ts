/** The four verbs of the PVE API. */
export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'DELETE';

export const HTTP_METHODS: readonly HttpMethod[] = ['GET', 'POST', 'PUT', 'DELETE'];

/**
 * One key of a property string such as `net0: virtio,bridge=vmbr0`.
 * `alias` sends the key's value to another key; with `keyAlias` the key's own name becomes that key's
 * value, so `virtio=BC:24:11:00:00:01` is `model=virtio,macaddr=BC:24:11:00:00:01`.
 */
export interface PropertySchema extends ParameterSchema {
  readonly alias?: string;
  readonly keyAlias?: string;
  readonly defaultKey?: boolean;
}

/** The keys of a property string. */
export type PropertyFormat = Readonly<Record<string, PropertySchema>>;

/** A parameter, a path parameter or an item of an array, in PVE's dialect of JSON Schema. */
export interface ParameterSchema {
  readonly type?: string;
  readonly description?: string;
  /** PVE's own short writing of the value, such as `<integer> (100 - 999999999)`. */
  readonly typeText?: string;
  /** A named format (`pve-node`, `pve-configid-list`) or the keys of a property string. */
  readonly format?: string | PropertyFormat;
  readonly formatDescription?: string;
  /** A Perl regular expression, matched against the whole value. */
  readonly pattern?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly default?: string | number | boolean;
  readonly optional?: boolean;
  /** Another parameter that must be given too. */
  readonly requires?: string;
  readonly items?: ParameterSchema;
  /** Alternatives; which one holds may depend on another parameter, named by `typeProperty`. */
  readonly oneOf?: readonly ParameterSchema[];
  readonly typeProperty?: string;
  /** The values of `typeProperty` this schema is for. */
  readonly instanceTypes?: readonly string[];
}

/** What a method answers, as far as the schema says. */
export interface ReturnSchema {
  readonly type?: string;
  readonly description?: string;
  readonly optional?: boolean;
  readonly properties?: Readonly<Record<string, ReturnSchema>>;
  readonly items?: ReturnSchema;
}

/** A permission test: `['perm', path, privileges, …options]`, `['and' | 'or', …tests]` and four about users. */
export type PermissionCheck = readonly unknown[];

export interface Permissions {
  /** `all`: every authenticated user; `world`: also without authentication. */
  readonly user?: string;
  readonly check?: PermissionCheck;
  readonly description?: string;
}

/** One method of the API. */
export interface ApiMethod {
  readonly method: HttpMethod;
  /** The template, such as `/nodes/{node}/qemu/{vmid}/config`. */
  readonly path: string;
  readonly name?: string;
  readonly description: string;
  /** All parameters, those of the path included; `net[n]` stands for net0, net1, … */
  readonly parameters: Readonly<Record<string, ParameterSchema>>;
  /** Whether parameters that are not listed are let through. */
  readonly additionalProperties: boolean;
  readonly returns?: ReturnSchema;
  /** Without any, only root@pam may call it. */
  readonly permissions?: Permissions;
  /** Whether an API token may call it (else only a ticket). */
  readonly allowToken: boolean;
}

/** Where a catalogue came from; answers say so. */
export type CatalogueSource = 'cluster' | 'built-in' | 'file';

/**
 * What a call may do: `read`; `change` something that can be changed back; take or return a `secret`;
 * `destroy`: delete or overwrite data or what can't be undone; `execute` what is out of PVE's sight.
 */
export type Risk = 'read' | 'change' | 'secret' | 'destroy' | 'execute';

/** All risks, the gravest last. */
export const RISKS: readonly Risk[] = ['read', 'change', 'secret', 'destroy', 'execute'];

/** What is wrong with a call: where (a parameter, or the path), what, and what to do instead. */
export interface CallProblem {
  readonly parameter?: string;
  readonly path?: string;
  readonly problem: string;
  readonly hint?: string;
}

/** The parameters of a path template, in order. */
export function pathParameterNames(template: string): string[] {
  return [...template.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] ?? '');
}
