import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { ModelkeepError } from '../core/index.js';

/** Networks of IPv4 that are not the public internet: the special-purpose registry of IANA, and multicast. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
];
/** Within 2000::/3, which alone is routed: what stands for an IPv4 address, is for documents, or for protocols. */
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

function listOf(networks: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const ipv4 = listOf(SPECIAL_IPV4, 'ipv4');
const ipv6 = listOf(SPECIAL_IPV6, 'ipv6');
const routed = listOf(['2000::/3'], 'ipv6');

/** True for an address on the public internet: not loopback, link-local, private, or an IPv4 address in disguise. */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  if (isIP(plain) === 4) return !ipv4.check(plain, 'ipv4');
  return isIP(plain) === 6 && routed.check(plain, 'ipv6') && !ipv6.check(plain, 'ipv6');
}

/** @throws ModelkeepError `INVALID_INPUT` */
export function checkAddress(address: string, host: string): void {
  if (isPublicAddress(address)) return;
  const leads = address === host ? 'is' : `leads to ${address},`;
  throw new ModelkeepError(
    'INVALID_INPUT',
    `The webhook's host "${host}" ${leads} an address inside of this network: webhooks go to public addresses only, ` +
      'unless the operator says --webhook-allow-private',
    { details: { host, address } },
  );
}

/**
 * Resolves names for a connection, and refuses those that lead anywhere else than to public addresses. The connection
 * is made to the very addresses that were checked, so that a name that changes its mind gains nothing.
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error !== null) return callback(error, '', 0);
    try {
      for (const { address } of addresses) checkAddress(address, hostname);
    } catch (refused) {
      return callback(refused as NodeJS.ErrnoException, '', 0);
    }
    const [first] = addresses;
    if (options.all === true) return callback(null, addresses);
    callback(null, first?.address ?? '', first?.family ?? 0);
  });
};
