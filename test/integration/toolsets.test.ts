import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOLSETS, type Toolset } from '../../src/config/toolsets.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { DOORS, GuardedService } from '../support/guarded-service.ts';
import { tokenFor } from '../support/service.ts';

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator({ taskSeconds: 0, authDelaySeconds: 0 });
});
afterAll(() => simulator.close());

const ALWAYS = TOOLS.filter(({ isAlwaysOn }) => isAlwaysOn).map(({ name }) => name);
const of = (...toolsets: Toolset[]) =>
  TOOLS.filter(({ name, toolset }) => ALWAYS.includes(name) || toolsets.includes(toolset)).map(
    ({ name }) => name,
  );

describe('toolsets', () => {
  it('leave six tools always on', () => {
    expect(ALWAYS.toSorted()).toEqual([
      'describe_api',
      'get_cluster_resources',
      'list_clusters',
      'list_nodes',
      'proxmox_api_call',
      'search_api',
    ]);
  });

  it.each(DOORS)('are what the configuration says, less what a header leaves out, at %s', async (door) => {
    const toolsets = new Set<Toolset>(['inventory', 'tasks']);
    const guarded = await GuardedService.start(simulator, { toolsets });
    const listed = async (header?: string) => {
      const headers: Record<string, string> = header === undefined ? {} : { 'x-mcp-toolsets': header };
      return (await guarded.connect({ door, headers })).tools();
    };
    expect(await listed()).toEqual(of('inventory', 'tasks'));
    expect(await listed('tasks')).toEqual(of('tasks'));
    expect(await listed('all')).toEqual(of('inventory', 'tasks'));
    expect(await listed('firewall')).toEqual(of());
    expect(await listed(' Tasks ,, firewall')).toEqual(of('tasks'));
    expect(await listed('')).toEqual(of());
    await guarded.close();
  });

  it.each(DOORS)('that are off run nothing, at %s', async (door) => {
    const guarded = await GuardedService.start(simulator, { toolsets: new Set(['tasks'] as const) });
    const off = await guarded.connect({ door });
    guarded.mark();
    await expect(off.call('find_guests')).rejects.toThrow(
      /toolset inventory, which is not switched on: MCP_TOOLSETS does not name it; the operator can add it\./,
    );
    const narrowed = await guarded.connect({ door, headers: { 'x-mcp-toolsets': 'inventory' } });
    await expect(narrowed.call('list_tasks')).rejects.toThrow(
      /toolset tasks, which is not switched on: this client's X-MCP-Toolsets does not name it\./,
    );
    expect(guarded.requests()).toEqual([]);
    await guarded.close();
  });

  it.each(['nonsense', 'all,nonsense', 'inventory;tasks', '__proto__'])(
    'refuse a header that names %s, and say which there are',
    async (value) => {
      const guarded = await GuardedService.start(simulator, {});
      const response = await fetch(new URL('/mcp', guarded.url), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await tokenFor('alice')}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'x-mcp-toolsets': value,
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }),
      });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        error: 'unknown_toolset',
        message: expect.stringContaining(TOOLSETS.join(', ')),
      });
      await guarded.close();
    },
  );
});
