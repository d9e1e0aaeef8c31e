import { readProperties } from '../../property-string.ts';

/** When a guest starts among the others, as its `startup` says. */
export interface Startup {
  order?: number;
  /** Seconds that those behind it wait once it was started. */
  upSeconds?: number;
}

/** Takes apart `order=1,up=30,down=60`; a bare number is the order. */
export function startupOf(text: string | undefined): Startup {
  const { lead, options } = readProperties(text ?? '');
  const order = wholeNumber(options.get('order') ?? lead);
  const upSeconds = wholeNumber(options.get('up'));
  return { ...(order === undefined ? {} : { order }), ...(upSeconds === undefined ? {} : { upSeconds }) };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

interface Ordered {
  vmid: number;
  startup: Startup;
  /** Under HA; Proxmox knows no priority among those. */
  isHa?: boolean | undefined;
  onboot?: boolean | undefined;
}

/**
 * As a node that boots does it: by order, those without one last, then by VMID. Among equals those that HA or `onboot`
 * would have started go first.
 */
export function byStartup(one: Ordered, other: Ordered): number {
  return rank(one) - rank(other) || weight(other) - weight(one) || one.vmid - other.vmid;
}

function rank({ startup }: Ordered): number {
  return startup.order ?? Number.MAX_SAFE_INTEGER;
}

function weight({ isHa, onboot }: Ordered): number {
  return (isHa ? 2 : 0) + (onboot ? 1 : 0);
}
