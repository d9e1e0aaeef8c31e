import type { ClusterState } from './cluster-state.ts';
import type { Guest } from './guest.ts';
import { startGuest, stopGuest } from './guest.ts';
import type { Section } from './section.ts';

type Wanted = 'started' | 'stopped' | 'disabled' | 'ignored';

export interface HaResource {
  /** `vm:100` or `ct:110` */
  sid: string;
  type: 'vm' | 'ct';
  state: Wanted;
  max_restart: number;
  max_relocate: number;
  failback: number;
  group?: string;
  comment?: string;
  'auto-rebalance'?: number;
}

export interface HighAvailability {
  resources: Record<string, HaResource>;
  groups: Section;
  rules: Section;
  /** How resources are handled while HA is disarmed. */
  disarmed?: string;
}

export function sidOf(guest: Pick<Guest, 'type' | 'vmid'>): string {
  return `${guest.type === 'qemu' ? 'vm' : 'ct'}:${guest.vmid}`;
}

export function haResource(state: ClusterState, guest: Guest): HaResource | undefined {
  return state.datacenter.ha.resources[sidOf(guest)];
}

export function guestOfSid(state: ClusterState, sid: string): Guest | undefined {
  return state.guests.get(Number(sid.split(':')[1]));
}

/** What the cluster's resource manager makes of a resource at this moment: `started`, `request_stop`, … */
export function haState(state: ClusterState, { sid, state: wanted }: HaResource): string {
  const guest = guestOfSid(state, sid);
  if (wanted === 'ignored') return 'ignored';
  if (!guest) return 'error';
  const node = state.nodes.find(({ name }) => name === guest.node);
  if (node && !node.online) return 'fence';
  if (wanted === 'started') return guest.status === 'running' ? 'started' : 'starting';
  if (guest.status === 'running') return 'request_stop';
  return wanted === 'disabled' ? 'disabled' : 'stopped';
}

const ROOT = 'root@pam';

/** The resource manager acts on its own, as root: the guest follows the resource's state in a task of its own. */
export function enact(state: ClusterState, resource: HaResource): void {
  const guest = guestOfSid(state, resource.sid);
  if (!guest || state.datacenter.ha.disarmed !== undefined) return;
  const tool = guest.type === 'qemu' ? 'qm' : 'vz';
  const origin = { node: guest.node, id: String(guest.vmid), owner: ROOT };
  if (resource.state === 'started' && guest.status === 'stopped') {
    const end = (): void => startGuest(guest, state.clock());
    state.tasks.start({ ...origin, type: `${tool}start` }, { end, log: [`service ${resource.sid}: start`] });
  } else if (['stopped', 'disabled'].includes(resource.state) && guest.status === 'running') {
    const end = (): void => stopGuest(guest);
    state.tasks.start({ ...origin, type: `${tool}stop` }, { end, log: [`service ${resource.sid}: stop`] });
  }
}

/** Moves a resource to another node in a task; `relocate` stops it for the move. */
export function move(state: ClusterState, { sid }: HaResource, target: string, relocate: boolean): void {
  const guest = guestOfSid(state, sid);
  if (!guest || guest.node === target) return;
  const type = guest.type === 'qemu' ? 'qmigrate' : 'vzmigrate';
  const source = guest.node;
  state.tasks.start(
    { node: source, type, id: String(guest.vmid), owner: ROOT },
    {
      end: () => {
        for (const volume of state.volumes) {
          if (volume.vmid === guest.vmid && volume.node === source && volume.content !== 'backup') {
            volume.node = target;
          }
        }
        guest.node = target;
        if (relocate && guest.status === 'running') startGuest(guest, state.clock());
      },
      log: [`service ${sid}: ${relocate ? 'relocate' : 'migrate'} from ${source} to ${target}`],
    },
  );
}
