import type { Cluster } from '../clusters/cluster.ts';
import type { GuestRow } from '../clusters/inventory.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { Secret } from '../config/secret.ts';
import { withoutSecrets } from '../observability/redaction.ts';
import { apiPath } from '../proxmox/api-path.ts';
import { CallError } from '../proxmox/errors.ts';
import type { GateRequest } from './gate.ts';

/** The parameter that tells a node how to log in to another cluster. */
export const ENDPOINT_PARAMETER = 'target-endpoint';

/** The host that a guest goes to, as the source node is told of it. */
export interface RemoteEndpoint {
  cluster: Cluster;
  /** What is judged, approved and bound: all but the secret. */
  shown: string;
  /** In words, for the plan and the record. */
  words: string;
  /** What is sent. */
  whole: Secret;
}

/**
 * Refuses a request that brings an endpoint of its own: it would hold a credential that a model has seen, or send one of
 * ours to a host of its choice.
 *
 * @throws CallError INVALID_ARGUMENTS
 */
export function refuseGivenEndpoint({ data = {} }: GateRequest): void {
  if (!Object.keys(data).some((name) => name.trim().toLowerCase() === ENDPOINT_PARAMETER)) return;
  throw new CallError(
    'INVALID_ARGUMENTS',
    `${ENDPOINT_PARAMETER} is not taken from a caller; nothing was sent.`,
    {
      hint: 'It holds a credential of the other cluster. migrate_guest_between_clusters makes it itself.',
    },
  );
}

/**
 * Makes the endpoint of a node from the configuration of its cluster, and from the certificate that the node shows now.
 *
 * @throws CallError INVALID_ARGUMENTS where the cluster has no API token, or nothing tells whether the certificate is its
 *   own; as `Cluster.addressOf` does
 */
export async function remoteEndpoint(
  cluster: Cluster,
  node: string,
  signal: AbortSignal,
): Promise<RemoteEndpoint> {
  const { credentials, tls, endpoints } = cluster.config;
  const refuse = (why: string, hint: string) =>
    new CallError('INVALID_ARGUMENTS', `${why} Nothing was sent.`, { cluster: cluster.name, hint });
  if (credentials.kind !== 'token') {
    throw refuse(
      `${cluster.name} is configured with a password, and a guest can only come to it by an API token.`,
      `Configure token_id and token_secret for ${cluster.name}.`,
    );
  }
  const address = await cluster.addressOf(node, signal);
  const { host, port, fingerprint } = address;
  const own = endpoints.find((one) => one.host === host && one.port === port);
  if (!tls.verify && (own?.fingerprint ?? tls.fingerprint) === undefined) {
    throw refuse(
      `Nothing tells whether ${formatEndpoint(address)} is ${node} of ${cluster.name}: its certificate is neither verified nor pinned, and it would be given the token.`,
      `Set \`fingerprint\` for ${cluster.name} (seen now: ${fingerprint}; compare it with pvenode cert info first).`,
    );
  }
  const { user, tokenId, secret } = credentials;
  const text = (value: string) =>
    `host=${host},port=${port},apitoken=PVEAPIToken=${user}!${tokenId}=${value},fingerprint=${fingerprint}`;
  return {
    cluster,
    shown: text('[added when it is sent]'),
    words: `node ${node} of ${cluster.name} at ${formatEndpoint(address)}, certificate ${fingerprint}`,
    whole: new Secret(text(secret.reveal())),
  };
}

/**
 * What the arrival of a guest is to the cluster that it comes to: a guest is made there. The policy judges it as such.
 *
 * @param guest as its own cluster knows it
 */
export function arrivalOf(request: GateRequest, node: string, guest: GuestRow | undefined): GateRequest {
  const type = request.path.segments[2] === 'lxc' ? 'lxc' : 'qemu';
  const vmid = request.data?.['target-vmid'] ?? Number(request.path.segments[3]);
  const name = type === 'qemu' ? 'name' : 'hostname';
  return {
    method: 'POST',
    path: apiPath`/nodes/${node}/${type}`,
    data: {
      vmid,
      ...(guest?.name === undefined ? {} : { [name]: guest.name }),
      ...(guest === undefined || guest.tags.length === 0 ? {} : { tags: guest.tags.join(';') }),
    },
  };
}

/** Takes the endpoint's secret out of what a failure says: Proxmox repeats parameters in its messages. */
export function withoutEndpoint(thrown: unknown, { whole, cluster }: RemoteEndpoint): unknown {
  if (!(thrown instanceof CallError)) return thrown;
  const { credentials } = cluster.config;
  const secret = credentials.kind === 'token' ? [credentials.secret.reveal()] : [];
  return thrown.reworded((text) => withoutSecrets(text, [whole.reveal(), ...secret]));
}
