import { onAny, required, texts } from '../declare.ts';
import { keptMethods } from '../kept.ts';
import type { Method } from '../method.ts';

/** Since 8.4: directories of the hosts that guests may share. */
export const directoryMappingMethods: Method[] = keptMethods({
  path: '/cluster/mapping/dir',
  noun: 'mapping',
  key: 'id',
  read: onAny('/mapping/dir', 'Mapping.Use', 'Mapping.Modify', 'Mapping.Audit'),
  change: onAny('/mapping/dir', 'Mapping.Modify'),
  properties: { ...texts('description'), map: required({ type: 'array' }) },
});
