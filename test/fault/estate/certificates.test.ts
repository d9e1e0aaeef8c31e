import { expect } from 'vitest';
import { describeFaults, type NamedFault, useSimulator } from '../../support/fault-cases.ts';
import type { EstateOptions } from '../../support/fault-estate.ts';

const simulated = useSimulator();

/** The authority is known, as with `ca_file`, and no fingerprint is pinned. */
const byAuthority: EstateOptions = {
  configure: ({ certificatePem }) => ({ tls: { verify: true, ca: certificatePem } }),
};
/** In the middle of its work the service meets a certificate that it must not speak to. */
function refused(words: string | RegExp): Required<Pick<NamedFault, 'read' | 'write'>> {
  const ending = {
    code: 'CLUSTER_UNREACHABLE',
    retryable: false,
    says: [words, 'pvenode cert info'],
    untouched: true,
  } as const;
  return { read: { ...ending, names: [0, 1, 2] }, write: { ...ending, names: [0, 1, 2], arrived: 0 } };
}

describeFaults(simulated, [
  {
    name: 'a certificate that has expired',
    options: byAuthority,
    put: ({ target }) => target.faults.add({ kind: 'certificate-expired' }).ready,
    ...refused('has expired'),
  },
  {
    name: 'a certificate for another name',
    options: byAuthority,
    put: ({ target }) => target.faults.add({ kind: 'certificate-name' }).ready,
    ...refused('for another host name'),
  },
  {
    name: 'a certificate of an unknown authority',
    options: byAuthority,
    put: ({ target }) => target.faults.add({ kind: 'certificate-changed' }).ready,
    ...refused(/not trusted/),
  },
  {
    name: 'a certificate other than the pinned one',
    put: ({ target }) => target.faults.add({ kind: 'certificate-changed' }).ready,
    ...refused('not the pinned'),
  },
  {
    name: 'a certificate other than the pinned one, where certificates are not verified',
    options: { configure: ({ fingerprint }) => ({ tls: { verify: false, fingerprint } }) },
    put: ({ target }) => target.faults.add({ kind: 'certificate-changed' }).ready,
    ...refused('not the pinned'),
  },
  {
    name: 'a changed certificate at one of three endpoints',
    put: (estate) => {
      from = estate.requests.length;
      return estate.target.faults.add({ kind: 'certificate-changed', node: 'pve1' }).ready;
    },
    lift: (estate) => {
      const asked = new Set(estate.requests.slice(from).map(({ node }) => node));
      expect([...asked], 'which nodes were asked').toEqual(['pve2']);
      return estate.target.faults.clear();
    },
    read: {},
    write: { arrived: 1 },
  },
]);

let from = 0;
