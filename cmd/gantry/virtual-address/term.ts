/** For how long a server has the address, as numbers: pure. */

/** How soon another server takes the address of one that died. As kube-vip has it. */
export const LEASE_MS = 5_000;
export const RETRY_MS = LEASE_MS / 6;
export const RENEW_DEADLINE_MS = (LEASE_MS * 2) / 3;

/**
 * The kernel counts whole seconds, looks at most once a second, and a quarter of one later than it would: net/ipv4/devinet.c
 * (check_lifetime), net/ipv6/addrconf.c (addrconf_verify_rtnl), ADDRCONF_TIMER_FUZZ.
 */
const KERNEL_LATE_MS = 1_500;

/**
 * Seconds to give the kernel, which then has taken the address away before the lease, that is ours until `untilMs`, can be another one's. 0:
 * too few are left.
 */
export function kernelSeconds(untilMs: number, nowMs: number): number {
  return Math.max(Math.floor((untilMs - nowMs - KERNEL_LATE_MS) / 1000), 0);
}

/** The first ones at once, for one may be lost; then one in each lease, for those who were told otherwise by a machine that had been paused. */
const FIRST = 3;
const EVERY = 6;

/** Whether the link is told again at the renewal with that number, the first being 0. */
export function isAnnounced(renewal: number): boolean {
  return renewal < FIRST || renewal % EVERY === 0;
}
