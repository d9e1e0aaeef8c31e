import type { FaultContext, FaultOf, FaultyNode, LastingFaults, Scope } from './kinds.ts';

/** What a lasting fault has done, once it has, and what ends it. */
export interface Lasting {
  begun: Promise<void>;
  end: () => Promise<void>;
}

type Begin<Kind extends keyof LastingFaults> = (fault: FaultOf<Kind>, context: FaultContext) => Lasting;

/** What goes wrong with a cluster for a while, by kind. */
export const LASTING: { [Kind in keyof LastingFaults]: Begin<Kind> } = {
  'node-down': (fault, context) => {
    const down = context.state.nodes.filter(({ name }) => fault.node === undefined || fault.node === name);
    for (const node of down) node.online = false;
    const { begun, end } = onNodes(
      fault,
      context,
      (node) => node.goDown(),
      (node) => node.comeUp(),
    );
    return {
      begun,
      end: () => {
        for (const node of down) node.online = true;
        return end();
      },
    };
  },
  'certificate-expired': (fault, context) => presenting('expired', fault, context),
  'certificate-name': (fault, context) => presenting('name', fault, context),
  'certificate-changed': (fault, context) => presenting('changed', fault, context),
  'lock-held': holdLock,
  'quorum-lost': (_fault, { state: { hazards } }) => {
    hazards.quorumLost = true;
    return ended(() => {
      hazards.quorumLost = false;
    });
  },
  'clock-skew': ({ node: name, ahead }, { state: { hazards, nodes } }) => {
    const wrong = nodes.filter((node) => name === undefined || node.name === name);
    if (wrong.length === 0) throw new Error(`no simulated node '${name}'`);
    for (const node of wrong) hazards.clocksAhead.set(node.name, ahead);
    return ended(() => {
      for (const node of wrong) hazards.clocksAhead.delete(node.name);
    });
  },
  'storage-full': ({ storage: name }, { state }) => {
    const storage = state.storages.find((candidate) => candidate.storage === name);
    if (!storage) throw new Error(`no simulated storage '${name}'`);
    const { foreignBytes } = storage;
    storage.foreignBytes = storage.total;
    return ended(() => {
      if (foreignBytes === undefined) delete storage.foreignBytes;
      else storage.foreignBytes = foreignBytes;
    });
  },
};

function holdLock({ vmid, lock }: FaultOf<'lock-held'>, { state }: FaultContext): Lasting {
  const guest = state.guests.get(vmid);
  if (!guest) throw new Error(`no simulated guest ${vmid}`);
  if (lock === undefined) {
    state.hazards.heldLocks.add(vmid);
    return ended(() => void state.hazards.heldLocks.delete(vmid));
  }
  guest.lock = lock;
  return ended(() => {
    if (guest.lock === lock) delete guest.lock;
  });
}

function presenting(
  certificate: 'expired' | 'name' | 'changed',
  fault: Scope,
  context: FaultContext,
): Lasting {
  return onNodes(
    fault,
    context,
    (node) => node.present(certificate),
    (node) => node.present(undefined),
  );
}

function onNodes(
  { node: name }: Scope,
  { nodes }: FaultContext,
  begin: (node: FaultyNode) => Promise<void>,
  end: (node: FaultyNode) => Promise<void>,
): Lasting {
  const chosen = nodes.filter((node) => name === undefined || node.name === name);
  if (chosen.length === 0) throw new Error(`no simulated node '${name}'`);
  const begun = all(chosen.map(begin));
  return { begun, end: () => begun.then(() => all(chosen.map(end))) };
}

function ended(end: () => void): Lasting {
  return { begun: Promise.resolve(), end: async () => end() };
}

async function all(work: Promise<void>[]): Promise<void> {
  await Promise.all(work);
}
