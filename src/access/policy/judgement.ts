import type { Risk } from '../../catalogue/types.ts';
import type { Approval, PolicyApprovals } from '../../config/policy-schema.ts';
import { bulkOf, DEFAULT_APPROVALS, type Denial, type Note, strictest } from './decision.ts';
import type { Bound, BoundRule, Entry } from './entries.ts';
import { isOfTenant } from './matching.ts';
import type { Asked, GuestFacts } from './policy.ts';
import { MISMATCHES, type Mismatch, type Rule, type Seen } from './rules.ts';

/** Deny wins: one that matches any guest of the call, or may, is enough. */
export function rulesDenial(seen: Seen, rules: readonly BoundRule[], note?: Note): Denial | undefined {
  let deciding: string | undefined;
  for (const { rule, entry } of rules) {
    if (rule.effect !== 'deny') continue;
    const mismatch = denyMismatch(rule, seen);
    note?.(
      () =>
        `${entry}, ${rule.label}: ${rule.describe()}: ${mismatch === undefined ? 'matches' : MISMATCHES[mismatch]}`,
    );
    if (mismatch !== undefined) continue;
    deciding ??= rule.label;
    if (note === undefined) break;
  }
  if (deciding === undefined) return undefined;
  return {
    rule: deciding,
    reason: `The policy denies it: ${deciding}`,
    hint: 'Ask the operator, who finds the rule with `proxmox-mcp policy test`.',
  };
}

function denyMismatch(rule: Rule, seen: Seen): Mismatch | undefined {
  const mismatch = rule.mismatch(seen);
  if (mismatch !== undefined || rule.guests === undefined || seen.unnamed !== undefined) return mismatch;
  const { guests } = rule;
  return seen.guests.some((guest) => guests.matches(guest, 'deny')) ? undefined : 'guests';
}

/** Which rule grants the call, and whose approval it takes, given where; or that nothing grants it. */
export function grantsOf(
  asked: Asked,
  seen: Seen,
  { rules }: Bound,
  ofFile: PolicyApprovals,
  note?: Note,
): Denial | { rule: string; approval: Approval; atClient: boolean } {
  const allowing = rules.filter((bound) => isAbout(bound, seen, note));
  const guests: readonly (GuestFacts | undefined)[] =
    seen.guests.length === 0 || seen.unnamed !== undefined ? [...seen.guests, undefined] : seen.guests;
  const approvals: Approval[] = [];
  const granted = new Set<Rule>();
  let first: string | undefined;
  for (const guest of guests) {
    const granting = allowing.filter((bound) => fits(bound, guest));
    for (const risk of seen.risks) {
      const ofRisk = granting.filter(({ rule }) => rule.risks.has(risk));
      if (ofRisk.length === 0) return ungranted(asked, risk, guest, note);
      first ??= ofRisk[0]?.rule.label;
      for (const { rule } of ofRisk) granted.add(rule);
      approvals.push(approvalFor(risk, ofRisk, ofFile, note));
    }
    if (isBulkChange(asked)) approvals.push(approvalFor('bulk', granting, ofFile, note));
  }
  const approval = strictest(approvals);
  const atClient = approval !== 'person' || mayBeAtClient(granted, ofFile, note);
  return { rule: first ?? 'no rule', approval, atClient };
}

function isAbout({ rule, entry }: BoundRule, seen: Seen, note?: Note): boolean {
  if (rule.effect !== 'allow') return false;
  const mismatch = rule.mismatch(seen);
  note?.(() => {
    const why = mismatch === undefined ? guestNote(rule, seen) : MISMATCHES[mismatch];
    return `${entry}, ${rule.label}: ${rule.describe()}: ${why}`;
  });
  return mismatch === undefined;
}

function guestNote({ guests }: Rule, seen: Seen): string {
  if (guests === undefined) return 'matches';
  const fitting = seen.guests.filter((guest) => guests.matches(guest, 'allow'));
  if (fitting.length > 0) return `matches guest ${fitting.map(({ vmid }) => vmid).join(', ')}`;
  if (seen.guests.length === 0) return 'the call is about no guest that it names';
  return seen.guests.some(({ unknown }) => unknown) ? 'nothing is known of the guest' : MISMATCHES.guests;
}

function fits({ rule, within }: BoundRule, guest: GuestFacts | undefined): boolean {
  if (guest === undefined) return rule.guests === undefined;
  if (rule.guests !== undefined && !rule.guests.matches(guest, 'allow')) return false;
  return within === undefined || isOfTenant(guest, within);
}

function ungranted({ principal }: Asked, risk: Risk, guest: GuestFacts | undefined, note?: Note): Denial {
  const which = guest === undefined ? '' : ` on guest ${guest.vmid}`;
  note?.(() => `nothing grants ${risk}${which}`);
  return {
    rule: 'nothing granted',
    reason: `Nothing in the policy grants ${JSON.stringify(principal.subject)} to ${risk}${which} this way`,
    hint: 'Ask the operator, who finds out why with `proxmox-mcp policy test`.',
  };
}

/** What a grant or its role says outright goes before what the file says for all, and that before the default. */
function approvalFor(
  risk: Risk | 'bulk',
  granting: readonly BoundRule[],
  ofFile: PolicyApprovals,
  note?: Note,
): Approval {
  const said = granting.flatMap(({ rule }) => rule.approvalOf(risk) ?? []);
  const general = risk === 'read' ? undefined : ofFile[risk];
  const approval = said.length > 0 ? strictest(said) : (general ?? DEFAULT_APPROVALS[risk]);
  note?.(
    () =>
      `approval of ${risk}: ${approval}, as ${said.length > 0 ? 'a grant or role' : general ? 'the file' : 'the default'} says`,
  );
  return approval;
}

/** As with whose approval it is: what roles say goes before what the file says, and of several the stricter holds. */
function mayBeAtClient(granting: ReadonlySet<Rule>, ofFile: PolicyApprovals, note?: Note): boolean {
  const said = [...granting].flatMap(({ atClient }) => atClient ?? []);
  const isAllowed = said.length > 0 ? !said.includes(false) : (ofFile.at_client ?? true);
  note?.(() => {
    const by = said.length > 0 ? 'a role' : ofFile.at_client === undefined ? 'the default' : 'the file';
    return `approval at the caller's own client: ${isAllowed ? 'yes' : 'no'}, as ${by} says`;
  });
  return isAllowed;
}

function isBulkChange(asked: Asked): boolean {
  return asked.method !== 'GET' && bulkOf(asked) > 1;
}

export function bulkDenial(asked: Asked, { limits }: Bound, note?: Note): Denial | undefined {
  const most = limits.bulk;
  if (most === undefined || asked.method === 'GET') return undefined;
  const count = bulkOf(asked);
  const isOver = count > most;
  note?.(() => `limit of ${most} changes at once: ${isOver ? 'exceeded' : 'kept'}`);
  if (!isOver) return undefined;
  const many = Number.isFinite(count) ? String(count) : 'an unknown number of';
  return {
    rule: 'limit of changes at once',
    reason: `It makes ${many} changes at once, and the policy allows ${most}`,
    hint: `Name the guests, ${most} at most in one call.`,
  };
}

/**
 * Names, tags and pools are what rules tell guests by. Who is under such a rule can't change them so that it says
 * something else: two calls would else do what one may not.
 */
export function changeDenial(
  { guests }: Asked,
  bound: Bound,
  all: readonly Entry[],
  note?: Note,
): Denial | undefined {
  const { named = [], after = [] } = guests ?? {};
  for (const [index, before] of named.entries()) {
    const next = after[index];
    const rule = next && differing(before, next, bound, all);
    if (rule === undefined) continue;
    note?.(() => `the change of guest ${before.vmid} would change what ${rule} says`);
    return {
      rule,
      reason: `Name, tags or pool of guest ${before.vmid} decide what ${rule} says of it`,
      hint: 'Leave them as they are, or ask the operator to change them.',
    };
  }
  return undefined;
}

function differing(
  before: GuestFacts,
  next: GuestFacts,
  bound: Bound,
  all: readonly Entry[],
): string | undefined {
  const rule = bound.rules.find(({ rule: { guests, effect } }) => {
    if (!guests?.needsFacts) return false;
    return next.unknown || guests.matches(before, effect) !== guests.matches(next, effect);
  });
  if (rule !== undefined) return rule.rule.label;
  if (bound.tenant === undefined) return undefined;
  // Those of the others count too: a guest must not be handed to them.
  const entry = all.find(
    ({ tenant }) =>
      tenant !== undefined && (next.unknown || isOfTenant(before, tenant) !== isOfTenant(next, tenant)),
  );
  return entry === undefined ? undefined : 'the binding to tenants';
}
