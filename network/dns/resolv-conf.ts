import { parseAddress } from '#machinery/values/cidr.ts';

/** Where questions that are not ours go. Source: resolv.conf(5). */
export interface ResolverConfig {
  /** Addresses of name servers, in order; at most three, as resolv.conf(5) has it. */
  nameservers: string[];
  search: string[];
  options: string[];
}

const MAX_NAMESERVERS = 3;

/** Reads the text of /etc/resolv.conf; lines it does not know are passed over, as resolvers do. */
export function parseResolvConf(text: string): ResolverConfig {
  const config: ResolverConfig = { nameservers: [], search: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] && parseAddress(words[0])) config.nameservers.push(words[0]);
    // The last search or domain line wins.
    if (keyword === 'search' || keyword === 'domain') config.search = words;
    if (keyword === 'options') config.options.push(...words);
  }
  config.nameservers = config.nameservers.slice(0, MAX_NAMESERVERS);
  return config;
}

/** `nameservers` without those that would bring a question straight back to us. */
export function withoutLoops(nameservers: readonly string[], ownAddresses: readonly string[]): string[] {
  const own = new Set(ownAddresses);
  return nameservers.filter((address) => !own.has(address));
}
