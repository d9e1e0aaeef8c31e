import { firewallOf } from '../../src/simulator/state/firewall.ts';
import { type Answer, toolClient } from './tool-client.ts';

/** The whole service over `production`, with the firewalls that the simulator keeps. */
export async function firewallClient(options: Parameters<typeof toolClient>[0] = {}) {
  const tools = await toolClient({ clusters: ['production'], ...options });
  const { state } = tools.production;
  const { firewalls } = state.datacenter;
  return {
    ...tools,
    firewalls,
    datacenter: firewallOf(firewalls, 'cluster'),
    guest: (vmid: number) => firewallOf(firewalls, `guest/${vmid}`),
    comments: (list: Answer[]) => list.map(({ comment }) => comment),
  };
}
