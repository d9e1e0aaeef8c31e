import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ClusterConfig } from '../../src/config/config.ts';
import { parseEndpoint } from '../../src/config/endpoint.ts';
import { Secret } from '../../src/config/secret.ts';
import { parseApiPath } from '../../src/proxmox/api-path.ts';
import type { HttpMethod, ProxmoxCall } from '../../src/proxmox/call.ts';
import { Engine, type EngineDeps } from '../../src/proxmox/engine.ts';
import { CallError } from '../../src/proxmox/errors.ts';
import type { SimulatedCluster } from '../../src/simulator/simulator.ts';

/** A secret that must appear nowhere but in the request. */
export const TOKEN_CANARY = '0d9c4e1f-70ca-4c0f-8a11-c4n4ry000001';

export const SILENT = pino({ level: 'silent' });

export function clusterConfig(changes: Partial<ClusterConfig> = {}): ClusterConfig {
  return {
    name: 'test',
    endpoints: [{ host: '127.0.0.1', port: 1 }],
    credentials: { kind: 'token', user: 'ops@pve', tokenId: 'mcp', secret: new Secret(TOKEN_CANARY) },
    tls: { verify: true },
    patterns: [],
    vmids: [],
    readOnly: false,
    validate: true,
    ...changes,
  };
}

/** The configuration that reaches a simulated cluster with its token, pinned by fingerprint. */
export function configFor(cluster: SimulatedCluster, changes: Partial<ClusterConfig> = {}): ClusterConfig {
  return clusterConfig({
    name: cluster.name,
    endpoints: cluster.endpoints.map(parseEndpoint),
    credentials: {
      kind: 'token',
      user: cluster.user,
      tokenId: cluster.tokenId,
      secret: new Secret(cluster.tokenSecret),
    },
    tls: { verify: true, fingerprint: cluster.fingerprint },
    ...changes,
  });
}

/** An engine that is closed after the test. Waits between attempts are as short as they get. */
export function engineFor(config: ClusterConfig, deps: Partial<EngineDeps> = {}): Engine {
  const engine = new Engine(config, { logger: SILENT, random: () => 0, ...deps });
  onTestFinished(() => engine.close());
  return engine;
}

export function callOf(method: HttpMethod, path: string, more: Partial<ProxmoxCall> = {}): ProxmoxCall {
  return { method, path: parseApiPath(path), parameters: {}, ...more };
}

/** The CallError that work fails with; anything else fails the test. */
export async function failureOf(work: Promise<unknown>): Promise<CallError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CallError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
