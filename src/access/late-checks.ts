import type { GuestRow } from '../clusters/inventory.ts';
import { CallError, type ErrorCode, toCallError } from '../proxmox/errors.ts';
import { quoted } from '../proxmox/text.ts';
import { ApprovalRequiredError, DeclinedError } from './approvals/plan.ts';
import { guestPathOf } from './guest-path.ts';
import type { TouchedGuests } from './policy/guests.ts';
import type { RecordedCall } from './record.ts';

/** What the record says of a call that the policy allows and that was stopped behind it. */
const DECISIONS: Partial<Record<ErrorCode, string>> = {
  APPROVAL_REQUIRED: 'awaits approval',
  POLICY_DENIED: 'denied',
  CONFLICT: 'denied',
  NOT_FOUND: 'denied',
};

/** How a call is recorded that failed behind the policy's yes; undefined where that was no refusal. */
export function lateRefusal(recorded: RecordedCall, error: unknown): RecordedCall | undefined {
  const decision = DECISIONS[toCallError(error).code];
  if (decision === undefined) return undefined;
  return { ...recorded, decision, rule: ruleOf(error) ?? recorded.rule };
}

/** What stopped the call; undefined where nothing says it better than the rule that allowed it. */
function ruleOf(error: unknown): string | undefined {
  if (error instanceof DeclinedError) return `plan ${error.number} declined by ${error.by}`;
  if (error instanceof ApprovalRequiredError) return `awaits approval: plan ${error.plan.number}`;
  const { code } = toCallError(error);
  if (code === 'CONFLICT') return 'expect_name';
  return code === 'NOT_FOUND' ? 'no such guest' : undefined;
}

const KINDS = { qemu: 'VM (qemu)', lxc: 'container (lxc)' } as const;

/**
 * Nobody is to be asked about a guest that is not there: Proxmox answers such a call with "does not exist", whoever
 * approved it. A cluster without any guest may be one whose list the token may not see, and tells nothing.
 *
 * @param guests those of the cluster now
 * @throws CallError NOT_FOUND
 */
export function checkGuest(cluster: string, path: string, guests: readonly GuestRow[]): void {
  const called = guestPathOf(path);
  if (called === undefined || guests.length === 0) return;
  const { node, type, vmid } = called;
  const guest = guests.find((one) => one.vmid === vmid);
  if (guest === undefined) {
    throw new CallError('NOT_FOUND', `There is no guest ${vmid}; nothing was sent.`, {
      cluster,
      hint: 'Find the guest with resolve_guest or find_guests.',
    });
  }
  const { node: itsNode, type: itsType } = guest;
  // Every node answers to localhost, and which one that will be nobody knows yet.
  const isElsewhere = node !== itsNode && node !== 'localhost';
  if (!isElsewhere && type === itsType) return;
  const why = isElsewhere
    ? `is on ${quoted(itsNode)}, not on ${quoted(node)}`
    : `is a ${KINDS[itsType]}, not a ${KINDS[type]}`;
  throw new CallError('NOT_FOUND', `Guest ${vmid} ${why}; nothing was sent.`, {
    cluster,
    hint: `Its path begins with /nodes/${itsNode}/${itsType}/${vmid}.`,
  });
}

/** @throws CallError CONFLICT where the VMID belongs to another guest by now */
export function checkName(cluster: string, expected: string | undefined, { named }: TouchedGuests): void {
  if (expected === undefined) return;
  const [guest] = named;
  if (guest?.name?.toLowerCase() === expected.toLowerCase()) return;
  const found =
    guest === undefined
      ? 'the call is about no guest'
      : guest.unknown
        ? `the name of ${guest.vmid} could not be read`
        : `${guest.vmid} is ${guest.name === undefined ? 'no guest' : JSON.stringify(guest.name)}`;
  throw new CallError(
    'CONFLICT',
    `${JSON.stringify(expected)} was expected, but ${found}; nothing was sent.`,
    {
      cluster,
      hint: 'Find the guest anew with resolve_guest: VMIDs are reused.',
      retryable: false,
    },
  );
}
