import type { Entry, Section } from './section.ts';

/** What changes only when the whole of SDN is applied. */
const APPLIED_KINDS = [
  'zones',
  'vnets',
  'subnets',
  'controllers',
  'fabrics',
  'fabricNodes',
  'prefixLists',
] as const;
export type AppliedKind = (typeof APPLIED_KINDS)[number];
export type SdnConfig = Partial<Record<AppliedKind, Section>>;

export interface SdnState {
  /** As the configuration files have it. */
  config: SdnConfig;
  /** As it was when it was last applied. */
  running: SdnConfig;
  ipams: Section;
  dns: Section;
  addresses: Entry[];
  /** While this is set, only calls that give it may change anything. */
  lock?: string;
}

export function sectionOf(config: SdnConfig, kind: AppliedKind): Section {
  const section = config[kind] ?? {};
  config[kind] = section;
  return section;
}

/** An object with what has changed since it was applied, as `pending=1` shows it. */
export function withPendingState(
  running: Entry | undefined,
  config: Entry | undefined,
): Record<string, unknown> {
  if (!config) return { ...running, state: 'deleted' };
  if (!running) return { ...config, pending: { ...config }, state: 'new' };
  const keys = [...new Set([...Object.keys(running), ...Object.keys(config)])];
  const changed = keys.filter((key) => String(running[key] ?? '') !== String(config[key] ?? ''));
  if (changed.length === 0) return { ...running };
  const pending = Object.fromEntries(changed.map((key) => [key, config[key] ?? 'deleted']));
  return { ...running, pending, state: 'changed' };
}

export function isPending(sdn: SdnState): boolean {
  return APPLIED_KINDS.some((kind) => {
    const [running, config] = [sectionOf(sdn.running, kind), sectionOf(sdn.config, kind)];
    const ids = new Set([...Object.keys(running), ...Object.keys(config)]);
    return [...ids].some((id) => withPendingState(running[id], config[id]).state !== undefined);
  });
}
