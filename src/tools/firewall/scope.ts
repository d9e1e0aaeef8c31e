import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { ApiPath } from '../../proxmox/api-path.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import { CallError } from '../../proxmox/errors.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import type { ApiCall, ToolContext } from '../define.ts';
import { type GuestTarget, guestLabel, guestParams, guestTarget } from '../guest-target.ts';
import { requireNode } from '../nodes.ts';
import { selectedFields, selectionOf, textParam } from '../params.ts';
import { requireVersion } from '../versions.ts';

/** Whose firewall is meant: none of them stands for the datacenter. */
export const scopeParams = { ...guestParams, node: nodeParam, vnet: textParam(8).optional() };
/** With the rules of a security group. */
export const ruleScopeParams = { ...scopeParams, group: textParam(18).optional() };

/** The file of a firewall has a rule on each line, and the comment behind it: what follows a break would be a rule. */
export const commentParam = z
  .string()
  .max(256)
  .refine((text) => !/[\r\n]/.test(text), 'has to be one line');

const KINDS = ['datacenter', 'node', 'guest', 'vnet', 'group'] as const;
type Kind = (typeof KINDS)[number];

const shownScope = z.object({
  kind: z.enum(KINDS),
  node: z.string().optional(),
  vmid: z.int().optional(),
  vnet: z.string().optional(),
  group: z.string().optional(),
  label: z.string(),
});

export const scopeFields = { ...selectedFields, scope: shownScope };

/** Templates of the firewalls below `/…/firewall`. */
const BASES = {
  datacenter: '/cluster/firewall',
  node: '/nodes/{node}/firewall',
  qemu: '/nodes/{node}/qemu/{vmid}/firewall',
  lxc: '/nodes/{node}/lxc/{vmid}/firewall',
  vnet: '/cluster/sdn/vnets/{vnet}/firewall',
  group: '/cluster/firewall/groups/{group}',
} as const;

export type Base = keyof typeof BASES;

/** The calls of these firewalls: `callsOf(['datacenter', 'node'], 'GET', '/options')`. */
export function callsOf(bases: readonly Base[], method: HttpMethod, below: string, ...names: string[]) {
  return bases.map((base): ApiCall => [method, BASES[base] + below, ...names]);
}

/** The rules of a group are right below it. */
export function ruleCalls(method: HttpMethod, below: string, ...names: string[]): ApiCall[] {
  return [
    ...callsOf(['datacenter', 'node', 'qemu', 'lxc', 'vnet'], method, `/rules${below}`, ...names),
    ...callsOf(['group'], method, below, ...names),
  ];
}

export interface ScopeArgs {
  cluster?: string | undefined;
  vmid?: number | undefined;
  name?: string | undefined;
  node?: string | undefined;
  vnet?: string | undefined;
  group?: string | undefined;
}

/** One firewall, or one security group. */
export interface Scope {
  cluster: GatedCluster;
  kind: Kind;
  base: Base;
  guest: GuestTarget | undefined;
  node: string | undefined;
  /** `at('options')`; of a group it is the group itself that lies there. */
  at(...below: (string | number)[]): ApiPath;
  /** Its rules, or one of them. */
  rules(...below: number[]): ApiPath;
  /** Template of what is below, for the catalogue. */
  template(below: string): string;
  /** `the datacenter of production` */
  label: string;
  /** Of every write: the guest must still have the name that it was found by. */
  expecting: Pick<GateRequest, 'expectName'>;
  fields(): z.output<z.ZodObject<typeof scopeFields>>;
}

/** As `scopeOf`, for a tool that changes it: no fallback may answer what a write then rests on. */
export function changedScope(context: ToolContext, args: ScopeArgs): Promise<Scope> {
  return scopeOf(context, args, true);
}

/**
 * Finds the firewall that a call means.
 *
 * @throws CallError INVALID_ARGUMENTS where it names two, or one that is not there; as `guestTarget` does
 */
export async function scopeOf(context: ToolContext, args: ScopeArgs, isChanged = false): Promise<Scope> {
  const { name, vmid, node, vnet, group } = args;
  const isGuest = name !== undefined || vmid !== undefined;
  const given = [isGuest ? 'a guest' : '', node && 'node', vnet && 'vnet', group && 'group'].filter(Boolean);
  if (given.length > 1) {
    throw new CallError(
      'INVALID_ARGUMENTS',
      `The call names ${given.join(' and ')}: one firewall at a time.`,
      {
        hint: 'Pass one of: vmid or name (a guest), node, vnet, group; none of them for the datacenter.',
      },
    );
  }
  if (isGuest) {
    const guest = await guestTarget(context, args);
    const label = guestLabel(guest.fields());
    const { type, node: itsNode, vmid: number } = guest.guest;
    const segments = ['nodes', itsNode, type, String(number), 'firewall'];
    return made(guest.cluster, { kind: 'guest', base: type, segments, guest, label, vmid: number, name });
  }
  const selected = context.cluster({ cluster: args.cluster });
  const cluster = isChanged ? selected.alone() : selected;
  const of = ` of ${cluster.name}`;
  if (node !== undefined) {
    await requireNode(cluster, node);
    const segments = ['nodes', node, 'firewall'];
    return made(cluster, { kind: 'node', base: 'node', segments, node, label: `Node ${quoted(node)}${of}` });
  }
  if (vnet !== undefined) {
    const what = { what: 'Firewalls of vnets', since: '8.3' };
    await requireVersion(cluster, 'GET', `${BASES.vnet}/options`, what);
    const segments = ['cluster', 'sdn', 'vnets', vnet, 'firewall'];
    return made(cluster, { kind: 'vnet', base: 'vnet', segments, vnet, label: `VNet ${quoted(vnet)}${of}` });
  }
  if (group !== undefined) {
    const segments = ['cluster', 'firewall', 'groups', group];
    const label = `Security group ${quoted(group)}${of}`;
    return made(cluster, { kind: 'group', base: 'group', segments, group, label });
  }
  const segments = ['cluster', 'firewall'];
  return made(cluster, { kind: 'datacenter', base: 'datacenter', segments, label: `The datacenter${of}` });
}

interface Parts {
  kind: Kind;
  base: Base;
  segments: readonly string[];
  label: string;
  guest?: GuestTarget;
  node?: string;
  vmid?: number;
  vnet?: string;
  group?: string;
  name?: string | undefined;
}

function made(cluster: GatedCluster, parts: Parts): Scope {
  const { kind, base, segments, label, guest, name, node, vmid, vnet, group } = parts;
  const at = (...below: (string | number)[]) =>
    ApiPath.ofSegments([...segments, ...below.flatMap((part) => String(part).split('/'))]);
  const shown = {
    kind,
    ...(node === undefined ? {} : { node }),
    ...(vmid === undefined ? {} : { vmid }),
    ...(vnet === undefined ? {} : { vnet }),
    ...(group === undefined ? {} : { group }),
    label,
  };
  return {
    cluster,
    kind,
    base,
    guest,
    node,
    at,
    rules: (...below) => (kind === 'group' ? at(...below) : at('rules', ...below)),
    template: (below) => BASES[base] + below,
    label,
    expecting: name === undefined ? {} : { expectName: name },
    fields: () => ({ ...selectionOf(cluster), scope: shown }),
  };
}

/** @throws CallError INVALID_ARGUMENTS where only other firewalls have it */
export function requireScope({ kind, cluster }: Scope, kinds: readonly Kind[], what: string): void {
  if (kinds.includes(kind)) return;
  throw new CallError('INVALID_ARGUMENTS', `${what} belong to: ${kinds.join(', ')}.`, {
    cluster: cluster.name,
    hint: 'Name such a one, or for the datacenter none. Nothing was sent.',
  });
}

export async function read(cluster: GatedCluster, path: ApiPath): Promise<unknown> {
  return (await cluster.request({ method: 'GET', path })).data;
}
