import { failure } from '../../errors.ts';
import type { CephPool, CephState } from '../../state/ceph.ts';
import { GIB } from '../../state/sizes.ts';
import { served, startNodeTask } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';
import { requireCeph } from './health.ts';

const UNITS: Record<string, number> = { K: 1024, M: 1024 ** 2, G: GIB, T: 1024 * GIB };
const KEPT = ['size', 'min_size', 'pg_num', 'pg_num_min', 'pg_autoscale_mode', 'target_size_ratio'];

function requirePool(call: Call, ceph: CephState): CephPool {
  const name = text(call, 'name');
  const pool = ceph.pools.find(({ pool_name }) => pool_name === name);
  if (!pool) throw failure(`pool '${name}' does not exist`);
  return pool;
}

/** What a call sets of a pool, as the list shows it. */
function settings(call: Call): Record<string, string | number> {
  const given = Object.entries(call.parameters).filter(([key]) => KEPT.includes(key));
  const application = optionalText(call, 'application');
  const [, figure, unit = ''] = /^([\d.]+)([KMGT]?)$/.exec(optionalText(call, 'target_size') ?? '') ?? [];
  return {
    ...Object.fromEntries(given.map(([key, value]) => [key, value as string | number])),
    ...(application === undefined ? {} : { application }),
    ...(figure === undefined ? {} : { target_size: Number(figure) * (UNITS[unit] ?? 1) }),
  };
}

function create(call: Call): string {
  const ceph = requireCeph(call);
  const name = text(call, 'name');
  if (ceph.pools.some(({ pool_name }) => pool_name === name)) {
    throw failure(`pool '${name}' already exists`);
  }
  const pool: CephPool = {
    pool: Math.max(0, ...ceph.pools.map((other) => other.pool)) + 1,
    pool_name: name,
    size: 3,
    min_size: 2,
    pg_num: 128,
    pg_autoscale_mode: 'warn',
    application: 'rbd',
    stored: 0,
    ...settings(call),
  };
  return startNodeTask(call, 'cephcreatepool', name, {
    end: () => {
      ceph.pools.push(pool);
      if (!flag(call, 'add_storages')) return;
      const total = ceph.osds.reduce((sum, { size }) => sum + size, 0) / pool.size;
      const content = ['images', 'rootdir'];
      call.state.storages.push({
        storage: name,
        type: 'rbd',
        content,
        shared: true,
        total,
        options: { pool: name, krbd: '0' },
      });
    },
    log: [`pool ${name}: applying size = ${pool.size}`],
  });
}

function update(call: Call): string {
  const pool = requirePool(call, requireCeph(call));
  return startNodeTask(call, 'cephsetpool', pool.pool_name, {
    end: () => {
      Object.assign(pool, settings(call));
    },
    log: [`pool ${pool.pool_name}: applying`],
  });
}

/** A pool with disks of guests goes by force alone. */
function destroy(call: Call): string {
  const ceph = requireCeph(call);
  const pool = requirePool(call, ceph);
  const { state } = call;
  const mine = state.storages
    .filter(({ type, options }) => type === 'rbd' && (options.pool ?? 'rbd') === pool.pool_name)
    .map(({ storage }) => storage);
  const used = mine.find((storage) => state.volumes.some((volume) => volume.storage === storage));
  if (used !== undefined && !flag(call, 'force')) {
    throw failure(`ceph pool '${pool.pool_name}' still in use by storage '${used}'`);
  }
  const purge = flag(call, 'remove_storages');
  return startNodeTask(call, 'cephdestroypool', pool.pool_name, {
    end: () => {
      ceph.pools = ceph.pools.filter((other) => other !== pool);
      if (purge) state.storages = state.storages.filter(({ storage }) => !mine.includes(storage));
    },
    log: [`pool '${pool.pool_name}' removed`],
  });
}

const pool = '/nodes/{node}/ceph/pool';

export const cephPoolMethods: Method[] = [
  served('POST', pool, create),
  served('PUT', `${pool}/{name}`, update),
  served('DELETE', `${pool}/{name}`, destroy),
];
