import type { ClusterSettings } from '../../access/gate.ts';
import type { StorageRow } from '../../clusters/inventory.ts';
import type { EndpointState } from '../../proxmox/endpoint-state.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import type { HealthParts } from './health-parts.ts';

/** Something that is wrong with a cluster, and what to do about it. */
export interface Finding {
  severity: 'warning' | 'critical';
  message: string;
  fix: string;
}

export interface FullStorage {
  storage: string;
  /** Absent for a shared one, which counts once. */
  node?: string;
  used_percent: number;
}

const DAY_MS = 86_400_000;
/** ACME renews a month before, PVE itself two weeks: a certificate this near its end was not renewed. */
const CERTIFICATE_DAYS = { warning: 30, critical: 7 };
/** PVE takes no ticket from more than 300 s ahead, so that nodes refuse each other's logins. */
const SKEW_SECONDS = { warning: 5, critical: 300 };
const FULL_PERCENT = { warning: 85, critical: 95 };

/** Whole days until a certificate ends; negative once it has. */
export function daysLeft(expiresAt: number, now: number): number {
  return Math.floor((expiresAt - now) / DAY_MS);
}

/** Storages from 85 % on, the fullest first. */
export function nearlyFull(rows: readonly StorageRow[]): FullStorage[] {
  const full = new Map<string, FullStorage>();
  for (const { storage, node, shared, usedBytes, totalBytes } of rows) {
    if (usedBytes === undefined || totalBytes === undefined || totalBytes <= 0) continue;
    const percent = Math.floor((usedBytes / totalBytes) * 1000) / 10;
    const key = shared ? storage : `${node}/${storage}`;
    if (percent < FULL_PERCENT.warning || full.has(key)) continue;
    full.set(key, { storage, ...(shared ? {} : { node }), used_percent: percent });
  }
  return [...full.values()].sort((one, other) => other.used_percent - one.used_percent);
}

/** Everything that is wrong with a cluster that answers, the worst first. */
export function findingsOf(
  parts: HealthParts,
  endpoints: readonly EndpointState[],
  settings: ClusterSettings,
  now: number,
): Finding[] {
  const findings = [
    ...ofQuorum(parts),
    ...endpoints.flatMap((state) => [...ofEndpoint(state), ...ofCertificate(state, now)]),
    ...ofClock(parts),
    ...nearlyFull(parts.inventory?.storages ?? []).map(ofStorage),
    ...ofDefaults(parts, settings),
    ...(parts.rights?.problems ?? []).map((problem) => ({ severity: 'warning' as const, ...problem })),
  ];
  return findings.sort((one, other) => one.severity.localeCompare(other.severity));
}

function ofQuorum({ quorum }: HealthParts): Finding[] {
  const offline = (quorum?.nodes ?? []).filter(({ online }) => !online).map(({ name }) => quoted(name));
  if (quorum?.quorum === 'lost') {
    const missing = offline.length === 0 ? 'though every node answers' : `${someOf(offline)} offline`;
    return [
      {
        severity: 'critical',
        message: `The quorum is lost (${missing}): nothing can be changed or started.`,
        fix: 'Bring nodes back until more than half are online, and look at the cluster network: pvecm status on a node.',
      },
    ];
  }
  if (offline.length === 0) return [];
  return [
    {
      severity: 'warning',
      message: `${offline.length === 1 ? 'A node is' : 'Nodes are'} offline: ${someOf(offline)}.`,
      fix: 'Look at its power and network; once it is up, at systemctl status pve-cluster corosync there.',
    },
  ];
}

function ofEndpoint({ endpoint, answers, problem, breakerOpen }: EndpointState): Finding[] {
  if (answers !== false && !breakerOpen) return [];
  const open = breakerOpen ? ' It failed often in a row and is asked last.' : '';
  return [
    {
      severity: 'warning',
      message: `The endpoint ${endpoint} ${problem ?? 'fails'}.${open}`,
      fix: 'Check that the node is up, that its pveproxy runs, and that this machine may reach it; else take it out of `endpoints`.',
    },
  ];
}

function ofCertificate({ endpoint, certificateExpiresAt }: EndpointState, now: number): Finding[] {
  if (certificateExpiresAt === undefined) return [];
  const days = daysLeft(certificateExpiresAt, now);
  const severity = severityOf(CERTIFICATE_DAYS.critical - days, CERTIFICATE_DAYS.warning - days);
  if (severity === undefined) return [];
  const message = days < 0 ? 'has ended' : `ends in ${days} ${days === 1 ? 'day' : 'days'}`;
  return [
    {
      severity,
      message: `The certificate of ${endpoint} ${message}.`,
      fix: 'On that node: pvenode acme cert renew, or without ACME pvecm updatecerts --force; a pinned `fingerprint` changes with it.',
    },
  ];
}

function ofClock({ clock }: HealthParts): Finding[] {
  if (clock === undefined) return [];
  const size = Math.abs(clock.seconds);
  const severity = severityOf(size - SKEW_SECONDS.critical, size - SKEW_SECONDS.warning);
  if (severity === undefined) return [];
  const way = clock.seconds > 0 ? 'ahead of' : 'behind';
  return [
    {
      severity,
      message: `The clock of ${quoted(clock.node)} is ${size} s ${way} that of this service.`,
      fix: 'See which of the two is wrong: chronyc tracking on the node, timedatectl here.',
    },
  ];
}

function ofStorage({ storage, node, used_percent }: FullStorage): Finding {
  return {
    severity: used_percent >= FULL_PERCENT.critical ? 'critical' : 'warning',
    message: `The storage ${quoted(storage)}${node === undefined ? '' : ` on ${quoted(node)}`} is ${used_percent} % full.`,
    fix: 'Remove backups, ISO images or disks that nobody needs, or make it larger: guests stop when it is full.',
  };
}

/** What the configuration names has to be there; a token that sees nothing proves nothing. */
function ofDefaults({ quorum, inventory, bridges }: HealthParts, settings: ClusterSettings): Finding[] {
  const { defaultNode, defaultStorage, defaultBridge } = settings;
  const nodes = quorum?.nodes.map(({ name }) => name) ?? inventory?.nodes.map(({ node }) => node) ?? [];
  const storages = [...new Set((inventory?.storages ?? []).map(({ storage }) => storage))];
  return [
    ...missing('default_node', 'node', defaultNode, nodes),
    ...missing('default_storage', 'storage', defaultStorage, storages),
    ...missing('default_bridge', `bridge of ${bridges?.node}`, defaultBridge, bridges?.names ?? []),
  ];
}

function missing(
  setting: string,
  what: string,
  name: string | undefined,
  known: readonly string[],
): Finding[] {
  if (name === undefined || known.length === 0 || known.includes(name)) return [];
  return [
    {
      severity: 'warning',
      message: `${setting} is ${name}, which is no ${what} that can be seen here.`,
      fix: `Set ${setting} of this cluster to one of: ${someOf(known.map(quoted))}.`,
    },
  ];
}

/** @param critical how far beyond the limit, from 0 on */
function severityOf(critical: number, warning: number): Finding['severity'] | undefined {
  if (critical >= 0) return 'critical';
  return warning >= 0 ? 'warning' : undefined;
}
