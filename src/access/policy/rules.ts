import type { Risk } from '../../catalogue/types.ts';
import { READY_MADE_ROLES } from '../../config/policy-roles.ts';
import type {
  Approval,
  PolicyApprovals,
  PolicyFile,
  PolicyGrant,
  PolicyLimits,
  PolicyRole,
} from '../../config/policy-schema.ts';
import { matchesGlob } from '../../config/wildcard.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import { strictest } from './decision.ts';
import { type Effect, GuestPattern, PathPattern } from './matching.ts';
import type { GuestFacts } from './policy.ts';
import type { ToolNeed } from './tools.ts';

/** A call as rules see it, taken apart once for all of them. */
export interface Seen {
  tool: string;
  method: HttpMethod;
  parts: readonly string[];
  risks: readonly Risk[];
  cluster: string;
  guests: readonly GuestFacts[];
  unnamed: string | undefined;
}

/** One grant of a role, ready to be held against calls. */
export class Rule {
  /** `role "web", grant 2` */
  readonly label: string;
  readonly effect: Effect;
  readonly risks: ReadonlySet<Risk>;
  readonly guests: GuestPattern | undefined;
  readonly #grant: PolicyGrant;
  readonly #paths: readonly PathPattern[] | undefined;
  readonly #approvals: PolicyApprovals;

  constructor(label: string, grant: PolicyGrant, approvals: PolicyApprovals) {
    this.label = label;
    this.effect = grant.deny === undefined ? 'allow' : 'deny';
    this.risks = new Set(grant.allow ?? grant.deny);
    this.guests = grant.guests === undefined ? undefined : new GuestPattern(grant.guests);
    this.#grant = grant;
    this.#paths = grant.paths?.map((path) => new PathPattern(path));
    this.#approvals = approvals;
  }

  /** Which key of the grant the call does not fit, guests apart; undefined where the rule is about it. */
  mismatch({ tool, method, parts, cluster, risks }: Seen): Mismatch | undefined {
    if (!risks.some((risk) => this.risks.has(risk))) return 'risks';
    const { tools, methods, clusters } = this.#grant;
    if (methods !== undefined && !methods.includes(method)) return 'methods';
    if (clusters !== undefined && !anyGlob(clusters, cluster)) return 'clusters';
    if (tools !== undefined && !anyGlob(tools, tool)) return 'tools';
    return this.#paths?.every((path) => !path.matches(parts, this.effect)) ? 'paths' : undefined;
  }

  /** What the rule itself, or else its role, says of approval; for a risk that it grants. */
  approvalOf(risk: Risk | 'bulk'): Approval | undefined {
    const ofRole = risk === 'read' ? undefined : this.#approvals[risk];
    return risk === 'bulk' ? ofRole : (this.#grant.approval ?? ofRole);
  }

  /** What its role says of approving at the caller's own client. */
  get atClient(): boolean | undefined {
    return this.#approvals.at_client;
  }

  /** Whether it could ever be about what a tool needs; the guests and clusters are not known then. */
  mayConcern(tool: string, { method, path }: ToolNeed): boolean {
    const { tools, methods } = this.#grant;
    if (tools !== undefined && !anyGlob(tools, tool)) return false;
    if (methods !== undefined && method !== undefined && !methods.includes(method)) return false;
    return path === undefined || this.#paths === undefined || this.#paths.some((one) => one.mayMatch(path));
  }

  /** Whether it is about every call of a tool, whichever path, cluster and guest. */
  get isUnconditional(): boolean {
    const { methods, paths, clusters, guests } = this.#grant;
    return (methods ?? paths ?? clusters ?? guests) === undefined;
  }

  /** What it is about in a few words, for summaries. */
  describe(): string {
    const { tools, methods, paths, clusters, guests, approval } = this.#grant;
    const parts = [
      `${this.effect} ${[...this.risks].join(', ')}`,
      methods?.join('|'),
      paths && `on ${paths.join(', ')}`,
      tools && `through ${tools.join(', ')}`,
      clusters && `in ${clusters.join(', ')}`,
      guests && `of guests with ${JSON.stringify(guests)}`,
      approval && `approval ${approval}`,
      this.effect === 'allow' && this.atClient === false ? 'never approved at the own client' : undefined,
    ];
    return parts.filter((part) => part !== undefined).join(' ');
  }
}

/** The key of a grant that a call does not fit. */
export type Mismatch = 'risks' | 'methods' | 'clusters' | 'tools' | 'paths' | 'guests';

/** In words, for a trace. */
export const MISMATCHES: Readonly<Record<Mismatch, string>> = {
  risks: 'not a risk of this call',
  methods: 'not for this method',
  clusters: 'not in this cluster',
  tools: 'not through this tool',
  paths: 'not on this path',
  guests: 'not about this guest',
};

export interface Role {
  name: string;
  rules: readonly Rule[];
  limits: PolicyLimits;
  readOnly: boolean;
}

/**
 * Makes the roles of a policy, with what they take over from those they extend: their grants, the stricter of their
 * approvals, the lower of their limits, and read-only.
 *
 * @param file checked: roles exist, and none extends itself
 */
export function rolesOf(file: PolicyFile): Map<string, Role> {
  const written = new Map<string, PolicyRole>(Object.entries({ ...READY_MADE_ROLES, ...file.roles }));
  const flat = new Map<string, FlatRole>();
  const flatten = (name: string): FlatRole => {
    const known = flat.get(name);
    if (known !== undefined) return known;
    const role = written.get(name) ?? {};
    const made = merge(name, role, (role.extends ?? []).map(flatten));
    flat.set(name, made);
    return made;
  };
  return new Map(
    [...written.keys()].map((name) => {
      const { grants, approval, limits, readOnly } = flatten(name);
      const rules = [...grants].map(([label, grant]) => new Rule(via(label, name), grant, approval));
      return [name, { name, rules, limits, readOnly }];
    }),
  );
}

interface FlatRole {
  /** By label, so that what two ways lead to stands here once. */
  grants: ReadonlyMap<string, PolicyGrant>;
  approval: PolicyApprovals;
  limits: PolicyLimits;
  readOnly: boolean;
}

function merge(name: string, role: PolicyRole, parents: readonly FlatRole[]): FlatRole {
  const own = (role.grants ?? []).map(
    (grant, index) => [`role "${name}", grant ${index + 1}`, grant] as const,
  );
  return {
    grants: new Map([...parents.flatMap(({ grants }) => [...grants]), ...own]),
    approval: { ...strictestOf(parents.map(({ approval }) => approval)), ...role.approval },
    limits: lowest([...parents.map(({ limits }) => limits), role.limits ?? {}]),
    readOnly: role.read_only === true || parents.some(({ readOnly }) => readOnly),
  };
}

function strictestOf(all: readonly PolicyApprovals[]): PolicyApprovals {
  const merged: PolicyApprovals = {};
  for (const approvals of all) {
    const { at_client: atClient, ...byRisk } = approvals;
    if (atClient !== undefined) merged.at_client = atClient && merged.at_client !== false;
    for (const [risk, approval] of Object.entries(byRisk) as [keyof typeof byRisk, Approval][]) {
      merged[risk] = strictest([approval, merged[risk] ?? 'none']);
    }
  }
  return merged;
}

/** The lowest of each limit, among those that are given. */
export function lowest(all: readonly PolicyLimits[]): PolicyLimits {
  const calls = all.flatMap((limits) => limits.calls_per_minute ?? []);
  const bulk = all.flatMap((limits) => limits.bulk ?? []);
  return {
    ...(calls.length === 0 ? {} : { calls_per_minute: Math.min(...calls) }),
    ...(bulk.length === 0 ? {} : { bulk: Math.min(...bulk) }),
  };
}

function via(label: string, role: string): string {
  return label.startsWith(`role "${role}",`) ? label : `${label} (extended by "${role}")`;
}

function anyGlob(patterns: readonly string[], text: string): boolean {
  return patterns.some((pattern) => matchesGlob(pattern, text));
}
