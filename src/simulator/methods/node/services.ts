import { failure, invalidParameters } from '../../errors.ts';
import { served, startNodeTask } from '../declare.ts';
import { type Call, type Method, text } from '../method.ts';
import { settings } from './system.ts';

const SERVICES: Record<string, string> = {
  chrony: 'Time synchronisation',
  corosync: 'Cluster engine',
  cron: 'Scheduled commands',
  ksmtuned: 'Merging of equal memory pages',
  lxcfs: 'File system for containers',
  postfix: 'Mail',
  'proxmox-firewall': 'Firewall on nftables',
  'pve-cluster': 'Cluster file system',
  'pve-firewall': 'Firewall',
  'pve-ha-crm': 'Cluster resource manager',
  'pve-ha-lrm': 'Local resource manager',
  pvedaemon: 'API daemon',
  pveproxy: 'API proxy',
  pvescheduler: 'Scheduler of jobs',
  pvestatd: 'Status daemon',
  spiceproxy: 'SPICE proxy',
  sshd: 'Secure shell server',
  syslog: 'System log',
  'systemd-journald': 'Journal',
  'systemd-timesyncd': 'Time synchronisation of systemd',
};

/** Without these nobody could reach the host to start them again. */
const INDISPENSABLE = ['pveproxy', 'pvedaemon', 'pve-cluster'];

function row(call: Call, service: string): Record<string, string> {
  if (!Object.hasOwn(SERVICES, service)) throw invalidParameters({ service: `unknown service '${service}'` });
  const stopped = settings(call).stoppedServices.includes(service) || service === 'systemd-timesyncd';
  const unit = service === 'systemd-timesyncd' ? 'not-found' : 'enabled';
  return {
    service,
    name: service,
    desc: SERVICES[service] ?? '',
    state: stopped ? 'dead' : 'running',
    'active-state': stopped ? 'inactive' : 'active',
    'unit-state': unit,
  };
}

function change(action: 'start' | 'stop' | 'restart' | 'reload') {
  return (call: Call): string => {
    const service = text(call, 'service');
    if (action === 'stop' && INDISPENSABLE.includes(service)) {
      throw failure(`service '${service}' can't be stopped, it is essential`);
    }
    const present = settings(call);
    row(call, service);
    return startNodeTask(call, `srv${action}`, service, {
      end: () => {
        const others = present.stoppedServices.filter((name) => name !== service);
        if (action === 'reload') return;
        present.stoppedServices = action === 'stop' ? [...others, service] : others;
      },
      log: [`${action} service ${service}`],
    });
  };
}

const one = '/nodes/{node}/services/{service}';

export const serviceMethods: Method[] = [
  served('GET', '/nodes/{node}/services', (call) =>
    Object.keys(SERVICES).map((service) => row(call, service)),
  ),
  served('GET', `${one}/state`, (call) => row(call, text(call, 'service'))),
  ...(['start', 'stop', 'restart', 'reload'] as const).map((action) => {
    return served('POST', `${one}/${action}`, change(action));
  }),
];
