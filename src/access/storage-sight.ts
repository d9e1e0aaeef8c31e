/**
 * What of a cluster's storages is to be read, and what its token is shown there: judgements about rows that a tool
 * holds already, which ask the cluster nothing and so need no gate.
 */
export { mayAllocate, storagesToRead, whyNot } from '../clusters/backups.ts';
