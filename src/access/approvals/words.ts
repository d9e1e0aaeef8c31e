import type { Plan, PlannedCall, PlannedGuest } from './plan.ts';

const LONGEST_NAME = 128;
/** A command that an agent is to run may be long, and its end may be what matters. */
const LONGEST_VALUE = 2000;

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
    ...shown.map((call) => `  ${callText(call)}`),
    ...(left > 0 ? [`  ${more}`] : []),
    ...listed('Lost', facts.lost),
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

function clean(text: string): string {
  return text
    .toWellFormed()
    .normalize('NFC')
    .replace(/[\p{Zl}\p{Zp}\r\n\t]/gu, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}]/gu, '')
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

function callText({ method, path, parameters }: PlannedCall): string {
  const values = Object.entries(parameters).map(([name, value]) => `${valueText(name)}=${valueText(value)}`);
  return [method, valueText(path), ...values].join(' ');
}

/** Bare where nothing in it could be taken for something else; in quotes otherwise, as JSON writes a text. */
function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  const isPlain = /^[\w.,:;/=@+!~-]+$/.test(text) && text.length <= LONGEST_VALUE;
  return isPlain ? text : `"${visible(text)}"`;
}

/** What hides in characters that are not shown nobody could judge, so they are written out. */
function visible(text: string): string {
  return clipped(text.toWellFormed())
    .replace(/[\\"]/g, '\\$&')
    .replace(
      /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
      (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
    )
    .replaceAll('\\u{a}', '\\n')
    .replaceAll('\\u{9}', '\\t')
    .replaceAll('\\u{d}', '\\r');
}

function clipped(text: string): string {
  if (text.length <= LONGEST_VALUE) return text;
  const half = LONGEST_VALUE / 2;
  const left = text.length - LONGEST_VALUE;
  return `${text.slice(0, half)} [… ${left} CHARACTERS NOT SHOWN …] ${text.slice(-half)}`.toWellFormed();
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
