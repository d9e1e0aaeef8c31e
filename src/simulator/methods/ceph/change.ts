import { failure } from '../../errors.ts';
import type { CephOsd } from '../../state/ceph.ts';
import { served, startNodeTask } from '../declare.ts';
import { type Call, flag, type Method, number, text } from '../method.ts';
import { isUp, requireCeph } from './health.ts';

function requireOsd(call: Call): CephOsd {
  const id = number(call, 'osdid');
  const osd = requireCeph(call).osds.find((candidate) => candidate.id === id);
  if (!osd) throw failure(`osd.${id} does not exist`);
  return osd;
}

function setFlag(call: Call, name: string, on: boolean): void {
  const ceph = requireCeph(call);
  const others = ceph.flags.filter((other) => other !== name);
  ceph.flags = on ? [...others, name] : others;
}

function setFlags(call: Call): string {
  requireCeph(call);
  const wanted = Object.entries(call.parameters);
  return startNodeTask(call, 'cephsetflags', '', {
    end: () => {
      for (const [name, value] of wanted) setFlag(call, name, value === 1);
    },
    log: wanted.map(([name, value]) => `${value === 1 ? 'set' : 'unset'} ${name}`),
  });
}

/** `ceph.target` stands for all services of the node, `osd.3` for one. */
function service(action: 'start' | 'stop' | 'restart') {
  return (call: Call): string => {
    const ceph = requireCeph(call);
    const name = String(call.parameters.service ?? 'ceph.target');
    const node = text(call, 'node');
    const affected = ceph.osds.filter(({ host, id }) => {
      return host === node && (name === 'ceph.target' || name === 'osd' || name === `osd.${id}`);
    });
    return startNodeTask(call, `srv${action}`, name, {
      end: () => {
        for (const osd of affected) osd.stopped = action === 'stop';
      },
      log: [`${action} ${name} on ${node}`],
    });
  };
}

/** Whether a daemon can go without data being lost or out of reach. */
function safety(call: Call): unknown {
  const ceph = requireCeph(call);
  const down = ceph.osds.filter((osd) => !isUp(call.state, osd));
  const safe = down.length === 0 || text(call, 'action') === 'destroy';
  return { safe: safe ? 1 : 0, status: safe ? '' : `${down.length} OSDs are down already` };
}

const osd = '/nodes/{node}/ceph/osd/{osdid}';

export const cephChangeMethods: Method[] = [
  served('PUT', '/cluster/ceph/flags', setFlags),
  served('PUT', '/cluster/ceph/flags/{flag}', (call) => {
    setFlag(call, text(call, 'flag'), flag(call, 'value'));
    return null;
  }),
  served('POST', `${osd}/in`, (call) => {
    requireOsd(call).in = true;
    return null;
  }),
  served('POST', `${osd}/out`, (call) => {
    requireOsd(call).in = false;
    return null;
  }),
  served('POST', `${osd}/scrub`, (call) => {
    requireOsd(call);
    return null;
  }),
  served('GET', '/nodes/{node}/ceph/cmd-safety', safety),
  ...(['start', 'stop', 'restart'] as const).map((action) => {
    return served('POST', `/nodes/{node}/ceph/${action}`, service(action));
  }),
];
