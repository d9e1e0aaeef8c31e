import { storageParam } from '../defaults.ts';
import { vmidParam } from '../guest-target.ts';
import { clusterParam, textParam } from '../params.ts';

/** Whose backups are meant: of a guest, of a storage, of both, or all of the cluster. */
export const scopeParams = {
  cluster: clusterParam,
  vmid: vmidParam.optional().describe('Also of a guest that is gone.'),
  name: textParam().optional().describe('Of the guest.'),
  storage: storageParam,
};
