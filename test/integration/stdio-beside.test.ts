import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { expect, it, vi } from 'vitest';
import { stdioSite } from '../support/stdio-site.ts';

const VM = 'proxmox://production/guests/100';
// Here the pause between two looks is the one that is used, ten seconds.
const CHANGED = { timeout: 25_000, interval: 50 };

const { simulator, command } = stdioSite();

it('gives clients of both eras resources, prompts, completions and updates', async () => {
  const legacy = new Client({ name: 'v1', version: '1' });
  const modern = new ModernClient(
    { name: 'v2', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  const updates: string[] = [];
  legacy.fallbackNotificationHandler = async ({ params }) => void updates.push(`v1 ${params?.uri}`);
  modern.setNotificationHandler(
    'notifications/resources/updated',
    ({ params }) => void updates.push(`v2 ${params.uri}`),
  );
  await Promise.all([
    legacy.connect(new StdioClientTransport(command())),
    modern.connect(new ModernTransport(command())),
  ]);
  for (const client of [legacy, modern]) {
    expect(client.getInstructions()).toContain('production, staging, disaster-recovery.');
    const { contents } = await client.readResource({ uri: VM });
    expect(contents[0]).toMatchObject({ uri: VM, text: expect.stringContaining('"vmid":100') });
    expect((await client.listPrompts()).prompts.length).toBeGreaterThan(5);
    const { completion } = await client.complete({
      ref: { type: 'ref/prompt', name: 'health_review' },
      argument: { name: 'cluster', value: 'st' },
    });
    expect(completion.values[0]).toBe('staging');
  }
  for (const client of [legacy, modern]) {
    // The SDK that serves both eras here knows no -32002.
    await expect(client.readResource({ uri: `${VM}9999` })).rejects.toMatchObject({ code: -32602 });
  }

  const looks = () => simulator().cluster('production').requests.length;
  await legacy.subscribeResource({ uri: VM });
  const before = looks();
  await modern.listen({ resourceSubscriptions: [VM] });
  // Over stdio the SDK acknowledges at once; what was seen first has to be seen before it changes.
  await vi.waitFor(() => expect(looks()).toBeGreaterThan(before + 3));
  await new Promise((later) => setTimeout(later, 1000));
  const guest = simulator().cluster('production').state.guests.get(100);
  if (!guest) throw new Error('the demo estate has it');
  guest.config.description = 'changed';
  await vi.waitFor(() => expect([...updates].sort()).toEqual([`v1 ${VM}`, `v2 ${VM}`]), CHANGED);
  await Promise.all([legacy.close(), modern.close()]);
}, 60_000);
