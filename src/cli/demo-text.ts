import { DEMO_ESTATE, type GuestSpec } from '../simulator/estate.ts';
import type { SimulatedCluster } from '../simulator/simulator.ts';
import { count } from '../tools/results.ts';
import { styled } from './output.ts';
import { selfCommand } from './self-command.ts';

/** What a running demo has to tell. */
export interface Demo {
  url: string;
  sse_url: string;
  token: string;
  read_only_token: string;
  /** Approves what the others have planned. */
  approver_token: string;
  clusters: readonly SimulatedCluster[];
  /** Where clusters.json and .env of this demo are. */
  folder: string;
  taskSeconds: number;
  /** The usual port, where something else listens on it. */
  busyPort?: number;
}

/** The whole text for a person at a terminal. */
export function demoText(demo: Demo): string {
  return [
    'Three simulated Proxmox VE clusters, and proxmox-mcp in front of them.',
    'The secrets below are throw-away: made for this run, worthless elsewhere and after it.',
    ...portLines(demo),
    '',
    `  Streamable HTTP    ${styled('cyan', demo.url)}`,
    `  HTTP+SSE           ${styled('cyan', demo.sse_url)}`,
    `  Token, all rights  ${demo.token}`,
    `  Token, read-only   ${demo.read_only_token}`,
    `  Token, approver    ${demo.approver_token}`,
    '',
    ...clusterLines(demo),
    '',
    ...clientLines(demo),
    '',
    ...commandLines(demo),
    '',
    styled('bold', 'Ctrl-C stops it.'),
  ].join('\n');
}

/** Clients that are set up for the usual port would reach whatever listens there. */
function portLines({ url, busyPort }: Demo): string[] {
  if (busyPort === undefined) return [];
  const { port } = new URL(url);
  return [`Port ${busyPort} is in use, so this demo listens on ${port}; MCP_PORT chooses another.`];
}

function clusterLines({ clusters, folder }: Demo): string[] {
  const width = Math.max(...clusters.map(({ name }) => name.length));
  return [
    styled('bold', 'Clusters'),
    ...clusters.map(({ name, url, endpoints, user, tokenId }) => {
      return `  ${name.padEnd(width)}  https://${url}  ${count(endpoints.length, 'node')}, token ${user}!${tokenId}`;
    }),
    `  described in ${folder}/clusters.json, until the demo ends`,
  ];
}

function clientLines({ url, sse_url, token }: Demo): string[] {
  const headers = { Authorization: `Bearer ${token}` };
  const servers = (settings: object): string =>
    JSON.stringify({ mcpServers: { proxmox: { ...settings, headers } } });
  const clients: [name: string, setting: string][] = [
    ['Gemini CLI, in .gemini/settings.json', servers({ type: 'http', url })],
    ['Gemini CLI over SSE, in .gemini/settings.json', servers({ type: 'sse', url: sse_url })],
    ['Cursor, in ~/.cursor/mcp.json', servers({ url })],
    [
      'Claude Code, in a shell',
      `claude mcp add --transport http proxmox ${url} --header "Authorization: Bearer ${token}"`,
    ],
    [
      'VS Code, in .vscode/mcp.json',
      JSON.stringify({ servers: { proxmox: { type: 'http', url, headers } } }),
    ],
  ];
  return [
    styled('bold', 'Settings to paste'),
    ...clients.flatMap(([name, setting]) => [`  ${styled('underline', name)}`, `  ${setting}`]),
  ];
}

function commandLines({ url, token, folder, taskSeconds }: Demo): string[] {
  const self = selfCommand();
  const { guest, cluster } = stoppedGuest();
  const status = `/nodes/${guest.node}/qemu/${guest.vmid}/status`;
  const apiCall = `${self} call proxmox_api_call --url ${url} --arg cluster=${cluster}`;
  // The list is pasted as a whole: the answer to the last question should be that the guest runs.
  const wait = `sleep ${Math.ceil(taskSeconds) + 1}`;
  return [
    styled(
      'bold',
      `First commands, for a second terminal in ${process.cwd()}: start ${guest.name} and see it run`,
    ),
    `  export MCP_TOKEN=${token}`,
    `  curl -s ${new URL('/readyz', url).href}`,
    `  ${self} call list_clusters --url ${url}`,
    `  ${apiCall} --arg method=POST --arg path=${status}/start`,
    `  ${wait}; ${apiCall} --arg path=${status}/current --arg 'fields=["name","status","uptime"]'`,
    `  CLUSTERS_FILE=${folder}/clusters.json ${self} check`,
    '',
    styled(
      'bold',
      'What destroys or executes waits for a person: a call such as DELETE answers with a plan, then',
    ),
    `  MCP_APPROVER_TOKEN=<approver's token> ${self} approvals list --url ${new URL('/', url).origin}`,
  ];
}

/** A virtual machine to start: the demo should not depend on which one the estate has. */
function stoppedGuest(): { cluster: string; guest: GuestSpec } {
  for (const { name, guests = [] } of DEMO_ESTATE) {
    const guest = guests.find(
      ({ type, status, template }) => type === 'qemu' && status === 'stopped' && !template,
    );
    if (guest !== undefined) return { cluster: name, guest };
  }
  throw new Error('the demo estate has no stopped virtual machine');
}
