import { isObject, isTrue, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { NIC_KEY, readConfig } from '../guest-config.ts';
import { textOf } from '../results.ts';
import { callsOf, read, type Scope } from './scope.ts';

/** Whether a firewall does anything, and what stands against it, in whole or in part. */
export interface Effect {
  effective: boolean;
  why: string[];
}

export const EFFECT_CALLS = [
  ...callsOf(['datacenter', 'node', 'qemu', 'lxc', 'vnet'], 'GET', '/options'),
  ['GET', '/nodes/{node}/qemu/{vmid}/config'],
  ['GET', '/nodes/{node}/lxc/{vmid}/config'],
] as const;

/** @throws CallError */
export async function readOptions({ cluster, at }: Scope): Promise<Json> {
  const data = await read(cluster, at('options'));
  return isObject(data) ? data : {};
}

/**
 * Says whether the rules of a firewall have any effect: with the datacenter's firewall off, nothing anywhere has. What
 * could not be asked is named, and stands for nothing.
 *
 * @param own the options of this firewall; absent for a security group
 */
export async function effectOf(scope: Scope, own: Json | undefined): Promise<Effect> {
  const [datacenter, nics] = await Promise.all([
    scope.kind === 'datacenter' ? own : datacenterOptions(scope),
    unfilteredNics(scope),
  ]);
  const off: string[] = [];
  const open: string[] = [...nics.open];
  if (typeof datacenter === 'string') open.push(datacenter);
  else if (!isOn(datacenter?.enable)) {
    off.push('the firewall of the datacenter is off, so that nothing is filtered anywhere');
  }
  if (own !== undefined && scope.kind !== 'datacenter' && !isEnabled(scope, own)) {
    off.push(`the firewall of ${scope.kind === 'guest' ? 'the guest' : `this ${scope.kind}`} is off`);
  }
  off.push(...nics.off);
  return { effective: off.length === 0, why: [...off, ...open] };
}

/** A node's is on unless it is turned off; the others are off unless they are turned on. */
function isEnabled({ kind }: Scope, { enable }: Json): boolean {
  return kind === 'node' ? enable === undefined || isOn(enable) : isOn(enable);
}

/** The datacenter's is on with any number but 0. */
function isOn(enable: unknown): boolean {
  return isTrue(enable) || Number(enable ?? 0) > 0;
}

async function datacenterOptions({ cluster }: Scope): Promise<Json | string> {
  try {
    const data = await read(cluster, apiPath`/cluster/firewall/options`);
    return isObject(data) ? data : {};
  } catch (error) {
    return `whether the firewall of the datacenter is on could not be asked: ${toCallError(error).message}`;
  }
}

/** A NIC without `firewall=1` passes everything, whatever the rules of its guest say. */
async function unfilteredNics({ guest }: Scope): Promise<{ off: string[]; open: string[] }> {
  if (guest === undefined) return { off: [], open: [] };
  try {
    const { values } = await readConfig(guest);
    const nics = Object.keys(values).filter((key) => NIC_KEY.test(key));
    const open = nics.filter((key) => !/(?:^|,)firewall=1(?:,|$)/.test(textOf(values[key]) ?? '')).sort();
    if (nics.length === 0) return { off: ['the guest has no NIC'], open: [] };
    if (open.length === 0) return { off: [], open: [] };
    const reason = `${open.join(', ')} without firewall=1 (update_guest: nics, firewall)`;
    return open.length < nics.length ? { off: [], open: [reason] } : { off: [reason], open: [] };
  } catch (error) {
    return {
      off: [],
      open: [`whether its NICs are filtered could not be asked: ${toCallError(error).message}`],
    };
  }
}

/** What a tool that changed rules adds where they do nothing yet; undefined where they do. */
export function withoutEffect({ effective, why }: Effect): string | undefined {
  return effective ? undefined : `It has no effect yet: ${why.join('; ')}.`;
}
