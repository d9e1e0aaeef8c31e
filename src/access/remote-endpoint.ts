import { isObject } from '../catalogue/json.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { Secret } from '../config/secret.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { Ending } from '../proxmox/ending.ts';
import { CallError } from '../proxmox/errors.ts';
import type { NodeAddress } from '../proxmox/node-link.ts';
import type { GateRequest } from './gate.ts';
import { guestPathOf } from './guest-path.ts';
import type { GuestFacts } from './policy/policy.ts';

/** The parameter that tells a node how to log in to another cluster. */
export const ENDPOINT_PARAMETER = 'target-endpoint';

/** The host that a guest goes to, as the source node is told of it. */
export interface RemoteEndpoint {
  address: NodeAddress;
  /** What is judged, approved and bound: all but the secret. */
  shown: string;
  /** In words, for the plan and the record. */
  words: string;
  /** What is sent. */
  whole: Secret;
  /** What of it must be seen nowhere. */
  secret: Secret;
}

/**
 * Refuses a request that brings an endpoint of its own: it would hold a credential that a model has seen, or send one of
 * ours to a host of its choice.
 *
 * @throws CallError INVALID_ARGUMENTS
 */
export function refuseGivenEndpoint({ data = {} }: GateRequest): void {
  if (!isEndpointIn(data) && !isEndpointIn(batchesOf(data))) return;
  throw new CallError(
    'INVALID_ARGUMENTS',
    `${ENDPOINT_PARAMETER} is not taken from a caller; nothing was sent.`,
    {
      hint: 'It holds a credential of the other cluster. migrate_guest_between_clusters makes it itself.',
    },
  );
}

function isEndpointIn(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isEndpointIn);
  if (!isObject(value)) return false;
  return Object.entries(value).some(([name, member]) => isEndpointName(name) || isEndpointIn(member));
}

/** However it is spelled: no other parameter of the API has these letters. */
function isEndpointName(name: string): boolean {
  const decoded = name.replace(/%([0-9a-f]{2})/gi, (_code, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const letters = decoded.normalize('NFKC').replace(/[^a-z]/gi, '');
  return letters.toLowerCase().includes('targetendpoint');
}

/** The calls within a call: `POST /nodes/{node}/execute` takes them as a text of JSON. */
function batchesOf({ commands }: Readonly<Record<string, unknown>>): unknown[] {
  if (commands === undefined) return [];
  return [commands].flat().map((text) => {
    try {
      return JSON.parse(String(text));
    } catch {
      // Proxmox reads no more of it than we do.
      return undefined;
    }
  });
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
  signal: Ending,
): Promise<RemoteEndpoint> {
  const { credentials } = cluster.config;
  const refuse = (why: string, hint: string) =>
    new CallError('INVALID_ARGUMENTS', `${why} Nothing was sent.`, { cluster: cluster.name, hint });
  if (credentials.kind !== 'token') {
    throw refuse(
      `${cluster.name} is configured with a password, and a guest can only come to it by an API token.`,
      `Configure token_id and token_secret for ${cluster.name}.`,
    );
  }
  const address = await cluster.addressOf(node, signal);
  const { host, port, fingerprint, isProven } = address;
  if (!isProven) {
    throw refuse(
      `Nothing tells whether ${formatEndpoint(address)} is ${node} of ${cluster.name}: its certificate is neither verified nor pinned, and it would be given the token.`,
      `Set \`fingerprint\` for ${cluster.name} (seen now: ${fingerprint}; compare it with pvenode cert info first).`,
    );
  }
  const { user, tokenId, secret } = credentials;
  const text = (value: string) =>
    `host=${host},port=${port},apitoken=PVEAPIToken=${user}!${tokenId}=${value},fingerprint=${fingerprint}`;
  return {
    address,
    shown: text('[added when it is sent]'),
    words: `node ${node} of ${cluster.name} at ${formatEndpoint(address)}, certificate ${fingerprint}`,
    whole: new Secret(text(secret.reveal())),
    secret,
  };
}

/**
 * What the arrival of a guest is to the cluster that it comes to: a guest is made there. The policy judges it as such.
 *
 * @param guest as its own cluster knows it now
 * @throws CallError CONFLICT where that does not know its name: no rule could tell which guest it is
 */
export function arrivalOf(
  { method, path, data = {} }: GateRequest,
  node: string,
  guest: GuestFacts | undefined,
): GateRequest {
  const { type, vmid, rest } = guestPathOf(path.toString()) ?? {};
  if (method !== 'POST' || type === undefined || rest !== '/remote_migrate') {
    throw new Error(`no endpoint is added to ${method} ${path}: its secret is for a remote migration alone`);
  }
  if (guest?.name === undefined) {
    throw new CallError('CONFLICT', `The name of guest ${vmid} can't be read now; nothing was sent.`, {
      hint: 'Look whether the guest and its node are there (get_guest), and call again in some seconds.',
    });
  }
  const name = type === 'lxc' ? 'hostname' : 'name';
  return {
    method,
    path: apiPath`/nodes/${node}/${type}`,
    data: {
      vmid: data['target-vmid'] ?? vmid,
      [name]: guest.name,
      ...(guest.tags.length === 0 ? {} : { tags: guest.tags.join(';') }),
    },
  };
}
