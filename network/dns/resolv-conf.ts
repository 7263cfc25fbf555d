import { parseAddress } from '#machinery/values/cidr.ts';

/** How names are resolved. Source: resolv.conf(5). */
export interface ResolvConf {
  /** Addresses of name servers, in order; at most three, as resolv.conf(5) has it. */
  nameservers: string[];
  searches: string[];
  options: string[];
}

const MAX_NAMESERVERS = 3;

/** Reads the text of /etc/resolv.conf; lines it does not know are passed over, as resolvers do. */
export function parseResolvConf(text: string): ResolvConf {
  const config: ResolvConf = { nameservers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] && parseAddress(words[0])) config.nameservers.push(words[0]);
    // The last search or domain line wins.
    if (keyword === 'search' || keyword === 'domain') config.searches = words;
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
