import { Client as ModernClient } from '@modelcontextprotocol/client';
import { StdioClientTransport as ModernTransport } from '@modelcontextprotocol/client/stdio';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { expect, it } from 'vitest';
import { stdioSite } from '../support/stdio-site.ts';

const { simulator, command } = stdioSite();

it('serves a v1 client', async () => {
  const transport = new StdioClientTransport(command());
  let log = '';
  transport.stderr?.on('data', (chunk) => {
    log += chunk;
  });
  const client = new Client({ name: 'v1', version: '1' });
  await client.connect(transport);
  await client.listTools();
  const result = await client.callTool({ name: 'list_nodes', arguments: { cluster: 'staging' } });
  expect(result.structuredContent).toMatchObject({ cluster: 'staging', total: 2 });
  await client.close();
  expect(log).toContain('"door":"stdio"');
  for (const { tokenSecret } of simulator().clusters) expect(log).not.toContain(tokenSecret);
});

it('serves a v2 client on revision 2026-07-28', async () => {
  const client = new ModernClient(
    { name: 'v2', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  await client.connect(new ModernTransport(command()));
  const result = await client.callTool({ name: 'list_clusters', arguments: {} });
  expect(result.structuredContent).toMatchObject({ total: 3 });
  await client.close();
});
