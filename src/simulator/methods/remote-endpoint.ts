import { failure, invalidParameters } from '../errors.ts';
import type { Identity } from '../state/access.ts';
import type { ClusterState } from '../state/cluster-state.ts';
import { findNode } from '../state/cluster-state.ts';
import { findPeer } from '../state/peers.ts';

/** The host that a guest is to move to, reached and logged in to. */
export interface Remote {
  state: ClusterState;
  /** The node that answers at the address; the guest lands there. */
  node: string;
  identity: Identity;
  /** Whether its cluster listens, as a whole. */
  isUp: () => boolean;
}

const KEYS = ['host', 'port', 'apitoken', 'fingerprint'];
const PORT = 8006;

function parse(text: string): Record<string, string> {
  const invalid = (why: string): Error =>
    invalidParameters({ 'target-endpoint': `invalid format - ${why}\n` });
  const pairs = text.split(',').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  const unknown = pairs.find(([key]) => !KEYS.includes(key));
  if (unknown) throw invalid('format error: property is not defined in schema');
  const endpoint = Object.fromEntries(pairs);
  for (const key of ['host', 'apitoken']) {
    if (!endpoint[key]) throw invalid(`format error\n${key}: property is missing and it is not optional`);
  }
  if (endpoint.port !== undefined && !/^\d+$/.test(endpoint.port)) throw invalid('port: type check failed');
  return endpoint;
}

/**
 * Does what the source node does first: connects, compares the certificate, logs in.
 * @param text `host=…,port=8006,apitoken=PVEAPIToken=user@realm!name=secret,fingerprint=AA:BB…`
 */
export function connectRemote(state: ClusterState, text: string): Remote {
  const { host = '', port, apitoken = '', fingerprint } = parse(text);
  const found = findPeer(state, host, Number(port ?? PORT));
  const address = `${host}:${port ?? PORT}`;
  if (!found?.peer.isUp() || !findNode(found.peer.state, found.node)?.online) {
    throw failure(`unable to connect to remote '${address}': Connection refused`);
  }
  // Every simulated certificate is its own authority, which no other host trusts.
  if (fingerprint === undefined) {
    throw failure(`remote '${address}': certificate verify failed (self-signed certificate)`);
  }
  if (fingerprint !== found.peer.fingerprint) {
    throw failure(`remote '${address}': fingerprint '${found.peer.fingerprint}' not verified, abort!`);
  }
  const remote = found.peer.state;
  const [, user = '', name = '', secret] = /^PVEAPIToken[= ]([^!\s]+)!([^=\s]+)=(\S+)$/.exec(apitoken) ?? [];
  if (remote.access.findToken(user, name)?.secret !== secret || secret === undefined) {
    throw failure(`remote '${address}': 401 Authentication failed!`);
  }
  return {
    state: remote,
    node: found.node,
    identity: { id: `${user}!${name}`, user, token: name },
    isUp: found.peer.isUp,
  };
}

/** Throws the 403 of the remote host, seen from here. */
export function requireOnRemote({ state, identity }: Remote, path: string, privilege: string): void {
  if (state.access.has(identity, path, privilege)) return;
  throw failure(`remote: 403 Permission check failed (${path}, ${privilege})`);
}
