import { settingsOf } from '../../src/simulator/state/node-settings.ts';
import { toolClient } from './tool-client.ts';

/** The whole service over `production`, with the settings of a simulated node and with a guest by its VMID. */
export async function networkClient(options: Parameters<typeof toolClient>[0] = {}) {
  const tools = await toolClient({ clusters: ['production'], ...options });
  const { state } = tools.production;
  const settings = (name: string) => {
    const node = state.nodes.find((one) => one.name === name);
    if (!node) throw new Error(`there is no node ${name}`);
    return settingsOf(state, node);
  };
  const guest = (vmid: number) => {
    const found = state.guests.get(vmid);
    if (!found) throw new Error(`there is no guest ${vmid}`);
    return found;
  };
  return { ...tools, settings, guest };
}
