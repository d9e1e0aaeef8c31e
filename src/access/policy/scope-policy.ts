import type { Risk } from '../../catalogue/types.ts';
import { hasScope, type Principal } from '../principal.ts';
import {
  bulkOf,
  DEFAULT_APPROVALS,
  type Denial,
  decisionOf,
  type Note,
  readOnlyDenial,
  scopeDenial,
  strictest,
} from './decision.ts';
import type { Asked, Decision, Limits, NamedTenant, Policy, Tenant, UsableTool } from './policy.ts';
import { ToolNeeds } from './tools.ts';

/** The policy where there is no file: the scopes of a token, and the approvals that hold by default. */
export class ScopePolicy implements Policy {
  readonly #needs = new ToolNeeds();

  decide(asked: Asked): Decision {
    const judge = (note?: Note): Denial | undefined =>
      readOnlyDenial(asked, undefined, note) ?? scopeDenial(asked, note);
    const approval = strictest([
      ...asked.risks.map((risk) => DEFAULT_APPROVALS[risk]),
      ...(asked.method !== 'GET' && bulkOf(asked) > 1 ? [DEFAULT_APPROVALS.bulk] : []),
    ]);
    return decisionOf(judge() ?? { rule: 'scopes of the token', approval, atClient: true }, () => {
      const lines = ['policy: no POLICY_FILE, so that the scopes of the token decide'];
      judge((line) => lines.push(line()));
      return lines;
    });
  }

  needsGuest(): boolean {
    return false;
  }

  tenantOf(): Tenant | undefined {
    return undefined;
  }

  tenantsFor(principal: Principal): readonly NamedTenant[] | undefined {
    return hasScope(principal, 'proxmox:admin') ? [] : undefined;
  }

  isProtected(): boolean {
    return false;
  }

  mayUse(principal: Principal, tool: UsableTool): boolean {
    const may = (risk: Risk) => hasScope(principal, `proxmox:${risk}`);
    return this.#needs.of(tool).some(({ risks }) => risks.every(may));
  }

  limitsOf(): Limits {
    return {};
  }

  describe({ scopes }: Principal): readonly string[] {
    return [`scopes of the token: ${[...scopes].join(', ') || 'none'}`];
  }
}
