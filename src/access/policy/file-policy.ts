import { RISKS, type Risk } from '../../catalogue/types.ts';
import type { PolicyFile } from '../../config/policy-schema.ts';
import { hasScope, type Principal } from '../principal.ts';
import { type Denial, decisionOf, type Note, readOnlyDenial, scopeDenial } from './decision.ts';
import {
  type Bound,
  bind,
  bindingInWords,
  type Entry,
  entriesOf,
  mismatchOf,
  namedTenants,
} from './entries.ts';
import { guestsOf, touchedGuests } from './guests.ts';
import { bulkDenial, changeDenial, grantsOf, rulesDenial } from './judgement.ts';
import { pathParts } from './matching.ts';
import type {
  Asked,
  Decision,
  GuestFacts,
  Limits,
  NamedTenant,
  Policy,
  Tenant,
  UsableTool,
} from './policy.ts';
import { Protection } from './protection.ts';
import { type Rule, rolesOf, type Seen } from './rules.ts';
import { tenantDenial } from './tenancy.ts';
import { type ToolNeed, ToolNeeds } from './tools.ts';

/** The policy that a file describes. */
export class FilePolicy implements Policy {
  readonly #file: PolicyFile;
  readonly #entries: readonly Entry[];
  readonly #protection: Protection;
  readonly #needs = new ToolNeeds();
  /** Of principals as they come with requests; a session keeps its own. */
  readonly #bound = new WeakMap<Principal, Bound>();

  /** @param file checked by `parsePolicy` */
  constructor(file: PolicyFile) {
    this.#file = file;
    this.#entries = entriesOf(file, rolesOf(file));
    this.#protection = new Protection(file.protected);
  }

  decide(given: Asked): Decision {
    const asked = withGuests(given);
    const bound = this.#of(asked.principal);
    return decisionOf(this.#judge(asked, bound), () => {
      const lines: string[] = [];
      const note: Note = (line) => lines.push(line());
      this.#noteEntries(asked.principal, note);
      const outcome = this.#judge(asked, bound, note);
      lines.push('reason' in outcome ? `denied by ${outcome.rule}` : `allowed by ${outcome.rule}`);
      return lines;
    });
  }

  needsGuest(principal: Principal): boolean {
    const { tenant, rules } = this.#of(principal);
    if (tenant !== undefined || this.#protection.needsFacts) return true;
    return rules.some(({ rule }) => rule.guests?.needsFacts);
  }

  tenantOf(principal: Principal): Tenant | undefined {
    return this.#of(principal).tenant;
  }

  tenantsFor(principal: Principal): readonly NamedTenant[] | undefined {
    const { tenant, rules } = this.#of(principal);
    if (tenant !== undefined) return [{ ...tenant, name: bindingInWords(tenant) }];
    // Of no tool in particular: a rule for certain tools makes nobody an administrator.
    const isWhole = ({ rule }: { rule: Rule }) =>
      rule.effect === 'allow' && rule.isUnconditional && rule.mayConcern('', { risks: [] });
    const allows = (risk: Risk) => rules.some((bound) => isWhole(bound) && bound.rule.risks.has(risk));
    if (!hasScope(principal, 'proxmox:admin') || !RISKS.every(allows)) return undefined;
    return namedTenants(this.#file, this.#entries);
  }

  isProtected(guest: GuestFacts, cluster: string): boolean {
    return this.#protection.holds(guest, cluster);
  }

  mayUse(principal: Principal, tool: UsableTool): boolean {
    const bound = this.#of(principal);
    const known = bound.usable.get(tool.name);
    if (known !== undefined) return known;
    const isUsable = this.#hasUse(principal, bound, tool);
    bound.usable.set(tool.name, isUsable);
    return isUsable;
  }

  #hasUse(principal: Principal, { rules, readOnly }: Bound, tool: UsableTool): boolean {
    return this.#needs.of(tool).some((need) => {
      if (readOnly !== undefined && !isRead(need)) return false;
      return need.risks.every((risk) => {
        const concerns = ({ rule }: { rule: Rule }) =>
          rule.risks.has(risk) && rule.mayConcern(tool.name, need);
        const matching = rules.filter(concerns).map(({ rule }) => rule);
        return (
          hasScope(principal, `proxmox:${risk}`) &&
          matching.some(({ effect }) => effect === 'allow') &&
          !matching.some((rule) => rule.effect === 'deny' && rule.isUnconditional)
        );
      });
    });
  }

  limitsOf(principal: Principal): Limits {
    const { calls_per_minute: callsPerMinute, bulk } = this.#of(principal).limits;
    return {
      ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
      ...(bulk === undefined ? {} : { bulk }),
    };
  }

  describe(principal: Principal): readonly string[] {
    const lines: string[] = [];
    this.#noteEntries(principal, (line) => lines.push(line()));
    const { rules, readOnly } = this.#of(principal);
    if (readOnly !== undefined) lines.push(readOnly);
    if (this.#file.approval?.at_client === false)
      lines.push('nobody approves at their own client, unless a role says so');
    for (const { rule, within } of rules) {
      const bound = within === undefined ? '' : ` for its tenant alone`;
      lines.push(`${rule.label}: ${rule.describe()}${rule.effect === 'allow' ? bound : ''}`);
    }
    lines.push(
      `scopes of the token, which all of it needs too: ${[...principal.scopes].join(', ') || 'none'}`,
    );
    return lines;
  }

  #of(principal: Principal): Bound {
    const known = this.#bound.get(principal);
    if (known !== undefined) return known;
    const bound = bind(this.#file, this.#entries, principal);
    this.#bound.set(principal, bound);
    return bound;
  }

  /** Everything has to hold; the order decides only which reason is told, and that a tenant learns nothing of others. */
  #judge(asked: Asked, bound: Bound, note?: Note): ReturnType<typeof grantsOf> {
    const seen = seenOf(asked);
    const denial =
      nobodyDenial(asked, bound) ??
      readOnlyDenial(asked, bound.readOnly, note) ??
      scopeDenial(asked, note) ??
      tenantDenial(asked, seen, bound.tenant, note) ??
      unseenDenial(asked, seen) ??
      this.#protection.denial(asked, seen, note) ??
      changeDenial(asked, bound, this.#entries, note) ??
      rulesDenial(seen, bound.rules, note) ??
      bulkDenial(asked, bound, note);
    if (denial !== undefined) return denial;
    return grantsOf(asked, seen, bound, this.#file.approval ?? {}, note);
  }

  #noteEntries(principal: Principal, note: Note): void {
    for (const entry of this.#entries) {
      const mismatch = mismatchOf(entry, principal);
      const roles = entry.roles.map(({ name }) => name).join(', ');
      note(
        () =>
          `${entry.label}: ${mismatch === undefined ? `matches, roles ${roles}` : `does not match, ${mismatch}`}`,
      );
    }
  }
}

/** Where the gate has not looked guests up, they are found here, and nothing is known of them but what it gave. */
function withGuests(asked: Asked): Asked {
  if (asked.guests !== undefined) return asked;
  const { method, path, parameters, guest } = asked;
  const found = guestsOf({ method, path, data: parameters });
  const vmids = guest === undefined ? found.vmids : [...new Set([guest.vmid, ...found.vmids])];
  const facts = (vmid: number): GuestFacts =>
    guest?.vmid === vmid ? guest : { vmid, tags: [], unknown: true };
  return { ...asked, guests: touchedGuests({ ...found, vmids }, facts) };
}

function seenOf({ tool, method, path, risks, cluster, guests }: Asked): Seen {
  const { named = [], creates, unnamed } = guests ?? {};
  return {
    tool,
    method,
    parts: pathParts(path),
    risks,
    cluster,
    guests: creates === undefined ? named : [...named, creates],
    unnamed,
  };
}

function nobodyDenial({ principal }: Asked, { entries }: Bound): Denial | undefined {
  if (entries.length > 0) return undefined;
  return {
    rule: 'no entry of principals',
    reason: `The policy names no principal that ${JSON.stringify(principal.subject)} is`,
    hint: 'Ask the operator to add you to the policy.',
  };
}

/** What a policy can't see it can't judge: a batch of calls in one, and a guest whose number is none. */
function unseenDenial({ guests }: Asked, { parts }: Seen): Denial | undefined {
  if (parts[0] === 'nodes' && parts[2] === 'execute') {
    return {
      rule: 'calls that hold others',
      reason: 'A batch holds calls that the policy can not see',
      hint: 'Make the calls one by one.',
    };
  }
  if (guests?.unreadable === undefined) return undefined;
  return {
    rule: 'calls whose guest can not be told',
    reason: `${JSON.stringify(guests.unreadable)} stands where a VMID should, and is none`,
    hint: 'Give VMIDs as Proxmox writes them, from 100 and without zeros before them.',
  };
}

function isRead({ method, risks }: ToolNeed): boolean {
  return method === 'GET' || (method === undefined && risks.every((risk: Risk) => risk === 'read'));
}
