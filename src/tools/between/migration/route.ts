import { BlockList, isIP } from 'node:net';
import type { Json } from '../../../catalogue/json.ts';
import { formatEndpoint } from '../../../config/endpoint.ts';
import type { NodeAddress } from '../../../proxmox/node-link.ts';
import { quoted } from '../../../proxmox/text.ts';
import { textOf } from '../../results.ts';
import { type Finding, warns } from '../finding.ts';

/** The way of the data: the node of the guest connects to that of the target, and this service is no part of it. */
export interface Route {
  words: string;
  found: Finding[];
}

/** @param networks interfaces of the source node; undefined where they are not known */
export function routeOf(
  node: string,
  address: Pick<NodeAddress, 'host' | 'port'>,
  networks: readonly Json[] | undefined,
): Route {
  const { host } = address;
  const at = formatEndpoint(address);
  const from = quoted(node);
  const advice = `On ${from}: curl -k https://${at}/ has to answer.`;
  const unknown = (what: string): Route => ({
    words: `${from} → ${at}; ${what}`,
    found: [warns(`Whether ${from} reaches ${at} is not known: ${what}.`, advice)],
  });
  if (host === 'localhost' || /^127\.|^::1$/.test(host)) {
    return unknown(`${at} is loopback, so that ${from} would reach itself`);
  }
  if (isIP(host) === 0) return unknown(`${host} is a name, which ${from} has to resolve`);
  if (networks === undefined) return unknown('its networks could not be read');
  const direct = networks.find((row) => [row.cidr, row.cidr6].some((cidr) => contains(textOf(cidr), host)));
  if (direct !== undefined)
    return {
      words: `${from} → ${at}, in the network of ${quoted(String(direct.iface))}; firewalls between are not known`,
      found: [],
    };
  const routed = networks.some((row) => textOf(isIP(host) === 6 ? row.gateway6 : row.gateway) !== undefined);
  return unknown(
    routed ? 'it lies behind a gateway' : 'it lies in no network of that node, which has no gateway',
  );
}

function contains(cidr: string | undefined, host: string): boolean {
  const [net = '', prefix = ''] = (cidr ?? '').split('/');
  const family = isIP(net);
  if (family === 0 || family !== isIP(host) || !/^\d+$/.test(prefix)) return false;
  const list = new BlockList();
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(net, Number(prefix), kind);
  return list.check(host, kind);
}
