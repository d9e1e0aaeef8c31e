import type { BenchContext } from './bench.ts';
import { Service, type ServiceOptions } from './service.ts';
import { CORES, STATUS_PATH, type Upstream } from './upstream.ts';

/** A policy with rules about guests, limits and approvals; what it limits is out of the way of a bench. */
const POLICY = {
  roles: {
    watcher: {
      extends: 'operator',
      grants: [{ deny: ['destroy', 'execute'], guests: { names: 'db-*' } }],
      approval: { destroy: 'second' },
    },
  },
  principals: [{ match: { subject: '*' }, roles: 'watcher' }],
  protected: { tags: 'protected', names: 'dc-*', vmids: { tiny: '100,101' } },
  approval: { destroy: 'person', execute: 'person', bulk: 'self' },
  limits: { calls_per_minute: 1_000_000 },
};
/** The limits are counted as in production, and not reached. */
const OUT_OF_REACH = '1000000';

/** The service over one tiny cluster, with everything switched on that a production has. */
export async function productionService(
  upstream: Upstream,
  context: Pick<BenchContext, 'profileFolder'>,
  { env = {}, ...options }: ServiceOptions = {},
): Promise<Service> {
  return await Service.start(upstream.clustersFile, context, {
    core: CORES.service,
    files: { 'policy.json': JSON.stringify(POLICY) },
    ...options,
    env: {
      MCP_TOOLSETS: 'all',
      POLICY_FILE: 'policy.json',
      AUDIT_FILE: 'data/audit.jsonl',
      STATE_FILE: 'data/state.db',
      MCP_RATE_LIMIT_PER_ADDRESS: OUT_OF_REACH,
      MCP_RATE_LIMIT_PER_PRINCIPAL: OUT_OF_REACH,
      ...env,
    },
  });
}

/** A tool call that makes one request to the cluster: 500 bytes, through gate, policy and record. */
export const ONE_READ = {
  method: 'tools/call',
  params: { name: 'proxmox_api_call', arguments: { path: STATUS_PATH } },
};

/** What revision 2026-07-28 sends along with each request. */
export function modern(
  method: string,
  params: Record<string, unknown>,
): { message: object; headers: Record<string, string> } {
  const { name } = params;
  return {
    message: {
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    },
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
  };
}
