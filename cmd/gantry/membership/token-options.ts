import { InvalidArgumentError, Option } from 'commander';
import { parseGoDuration } from '#machinery/values/duration.ts';

/** What a machine becomes. */
export function roleOption(): Option {
  return new Option('--role <role>', 'what the machine becomes').choices(['node', 'server']).default('node');
}

const DAY_MS = 24 * 3_600_000;

/** How long a token can be used, in ms. */
export function ttlOption(): Option {
  return new Option('--ttl <duration>', 'how long it can be used, as 30m or 24h; 0 = until it is removed')
    .argParser((text) => {
      const ttlMs = parseGoDuration(text);
      if (ttlMs === undefined || ttlMs < 0) throw new InvalidArgumentError('write it as 30m, 24h or 0.');
      return ttlMs;
    })
    .default(DAY_MS, '24h');
}
