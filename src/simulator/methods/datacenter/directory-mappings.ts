import { ANYONE, on, required, texts } from '../declare.ts';
import { keptMethods } from '../kept.ts';
import type { Method } from '../method.ts';

const READING = ['Mapping.Use', 'Mapping.Modify', 'Mapping.Audit'];
const place = '/mapping/dir';
const own = `${place}/{id}`;

/** Since 8.4: directories of the hosts that guests may share. */
export const directoryMappingMethods: Method[] = keptMethods({
  path: '/cluster/mapping/dir',
  noun: 'mapping',
  key: 'id',
  permissions: {
    list: ANYONE,
    create: on(place, 'Mapping.Modify'),
    read: { check: ['or', ...READING.map((privilege) => ['perm', own, [privilege]] as const)] },
    update: on(own, 'Mapping.Modify'),
    remove: on(place, 'Mapping.Modify'),
  },
  properties: { ...texts('description'), map: required({ type: 'array' }) },
  mayList: ({ state, identity }, id) => state.access.has(identity, `${place}/${id}`, ...READING),
});
