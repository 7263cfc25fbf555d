import type { ILeaseKeepAliveResponse } from 'etcd3';
import type { LeaseId } from '../contract.ts';
import type { Connection } from './connection.ts';
import { faultOf } from './errors.ts';

/** etcd's own leases. They last whole seconds, and at least one and a half times its election timeout. */
export class Leases {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** A lease granted in vain, when the answer is lost, just ends. */
  async grant(ttlMs: number): Promise<LeaseId> {
    const TTL = Math.max(1, Math.ceil(ttlMs / 1000));
    const connection = this.#connection;
    return (await connection.repeat((options) => connection.etcd.leaseClient.leaseGrant({ TTL }, options)))
      .ID;
  }

  /** False when the lease has ended. */
  renew(lease: LeaseId): Promise<boolean> {
    return this.#connection.repeat(async (options) => {
      const stream = await this.#connection.etcd.leaseClient.leaseKeepAlive(options);
      const answer = new Promise<ILeaseKeepAliveResponse>((resolve, reject) => {
        stream.on('data', resolve);
        stream.on('error', (error) => reject(this.#connection.unavailable(error)));
        stream.on('end', () => reject(this.#connection.unavailable(new Error('the stream ended'))));
      });
      stream.write({ ID: lease });
      try {
        return Number((await answer).TTL) > 0;
      } finally {
        stream.end();
        stream.cancel();
      }
    });
  }

  async revoke(lease: LeaseId): Promise<void> {
    await this.#connection
      .repeat((options) => this.#connection.etcd.leaseClient.leaseRevoke({ ID: lease }, options))
      .catch((error: unknown) => {
        if (faultOf(error) !== 'lease-ended') throw error;
      });
  }
}
