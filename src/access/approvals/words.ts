import { visible } from '../../proxmox/text.ts';
import { callText } from './call-text.ts';
import type { Plan, PlannedGuest } from './plan.ts';

const LONGEST_NAME = 128;

export interface PlanTextOptions {
  /** Epoch milliseconds. */
  now: number;
  /** Calls to show; the rest is counted. All of them where absent. */
  mostCalls?: number;
}

/**
 * A plan as a person reads it before deciding: the guest's name first, then what is sent, what is lost and how to go
 * back. Everything that somebody else could have named is quoted and cleaned, so that it stays on its line and reads
 * as a name.
 */
export function planText(plan: Plan, { now, mostCalls = Number.POSITIVE_INFINITY }: PlanTextOptions): string {
  const { facts, calls } = plan;
  const shown = calls.slice(0, mostCalls);
  const left = calls.length - shown.length;
  const more = `and ${left} more; all of them: proxmox-mcp approvals show ${plan.number}`;
  const secondsLeft = Math.max(0, Math.round((plan.expiresAt - now) / 1000));
  return [
    ...facts.guests.map((guest) => `${guestName(guest)}${guestState(guest)}`),
    `Cluster ${quoted(plan.cluster)}, plan ${plan.number}, asked by ${asker(plan)} with the tool ${quoted(plan.tool)}.`,
    calls.length === 1 ? 'This is sent:' : `These ${calls.length} calls are sent, in this order:`,
    ...shown.flatMap(callText),
    ...(left > 0 ? [`  ${more}`] : []),
    ...listed('Lost', facts.lost.length === 0 ? ['nothing'] : facts.lost),
    ...listed('Depends on it', facts.dependents),
    ...(facts.last_backup === undefined ? [] : [`Last backup: ${line(facts.last_backup)}`]),
    `Undo: ${line(facts.undo)}`,
    ...listed('Beware', facts.warnings),
    `As of ${timeOf(plan.createdAt)}; ${plan.state === 'pending' ? `it can be approved for ${secondsLeft} s more` : plan.state}.`,
  ].join('\n');
}

/** One line of a list of plans. */
export function planLine(plan: Plan, now: number): string {
  const [guest] = plan.facts.guests;
  const [call] = plan.calls;
  const more = plan.calls.length > 1 ? ` and ${plan.calls.length - 1} more` : '';
  const what = call === undefined ? '' : `${call.method} ${line(call.path)}${more}`;
  const seconds = Math.max(0, Math.round((plan.expiresAt - now) / 1000));
  const subject = guest === undefined ? '' : `${guestName(guest)} `;
  return `${plan.number}  ${subject}cluster ${quoted(plan.cluster)}: ${what}, asked by ${asker(plan)}, ${seconds} s left`;
}

/** `VM 100 "web-1"`. */
export function guestName({ type, vmid, name }: Pick<PlannedGuest, 'type' | 'vmid' | 'name'>): string {
  const kind = type === 'qemu' ? 'VM' : 'container';
  return name === undefined ? `${kind} ${vmid} (its name is not known)` : `${quoted(name)} (${kind} ${vmid})`;
}

/** A name in quotes, without anything that could end the quotes, the line or the reading direction. */
export function quoted(name: string): string {
  return `"${clip(clean(name).replaceAll('"', "'"), LONGEST_NAME)}"`;
}

/** A text on one line, without control, invisible and direction characters. */
export function line(text: string): string {
  return clean(text);
}

/** What is visible of a text, on one line, and neither icons nor piled-up accents in it. */
function clean(text: string): string {
  return visible(text.toWellFormed())
    .normalize('NFC')
    .replace(/[\n\t]/g, ' ')
    .replace(/[\p{Co}\p{Cn}]/gu, '')
    .replace(/\p{M}{3,}/gu, '')
    .replace(/\p{Zs}+/gu, ' ')
    .trim();
}

function guestState({ node, status, template, protected: isProtected, pool, tags }: PlannedGuest): string {
  return [
    template ? ', a template' : '',
    `, ${status === undefined ? 'state not known' : line(status)}${node === undefined ? '' : ` on node ${quoted(node)}`}`,
    isProtected ? ', PROTECTED' : '',
    pool === undefined ? '' : `, in the pool ${quoted(pool)}`,
    tags === undefined || tags.length === 0 ? '' : `, tags ${tags.map(quoted).join(', ')}`,
  ].join('');
}

function asker({ subject, client }: Plan): string {
  return client === undefined ? quoted(subject) : `${quoted(subject)} through ${quoted(client)}`;
}

function listed(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  return items.length === 1
    ? [`${title}: ${line(items[0] ?? '')}`]
    : [`${title}:`, ...items.map((item) => `  - ${line(item)}`)];
}

function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}…`;
}

function timeOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
