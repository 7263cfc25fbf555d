import { Etcd3, type IOptions, type IWatchResponse } from 'etcd3';
import { type Clock, sleep } from '#machinery/clock.ts';
import { messageOf } from '#machinery/errors.ts';
import { EtcdUnavailableError, faultOf } from './errors.ts';

export interface Credentials {
  /** PEM of the authority that signed etcd's certificate. */
  ca: Buffer;
  /** PEM, for etcd servers that ask for a client certificate. */
  certificate?: Buffer;
  key?: Buffer;
  /** The name in etcd's certificate, where the endpoints are addresses: Node checks names only. */
  serverName?: string;
}

export interface ConnectionOptions {
  /** `host:port` of one or more members. */
  endpoints: readonly string[];
  credentials?: Credentials;
  auth?: { username: string; password: string };
  clock: Clock;
  /** For how long calls that may be repeated are, in all; ten seconds when left out. */
  retryMs?: number;
}

/** One call, a member that does not answer given up on after this. */
const CALL_MS = 5_000;
/** An election takes a second or two. */
const RETRY_MS = 10_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/** A commit of 128 conflicts answers with 128 values. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** etcd refuses clients that ask for signs of life more often than each five seconds. */
const KEEPALIVE_MS = 10_000;

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** etcd3 would repeat calls that are not safe to repeat: we do, where it is safe. */
const ONCE = policy((call) => call());

/** A member that did not answer is passed over for so long, as long as there are others. */
const AVOID_MS = 3_000;

function policy(execute: (call: () => unknown) => unknown): Policy {
  return { execute: async (call: () => unknown) => execute(call) } as unknown as Policy;
}

/** Passes over members that failed lately: etcd3 then takes the next one. */
function avoidance(clock: Clock, count: number): (host: string) => Policy {
  const avoided = new Map<string, number>();
  const isAvoided = (until: number) => until > clock.monotonic();
  return (host) =>
    policy(async (call) => {
      const others = [...avoided.values()].filter(isAvoided).length < count;
      if (others && isAvoided(avoided.get(host) ?? 0))
        throw new EtcdUnavailableError(`${host} failed lately`);
      try {
        return await call();
      } catch (error) {
        if (faultOf(error) === 'unavailable') avoided.set(host, clock.monotonic() + AVOID_MS);
        throw error;
      }
    });
}

/** A raw watch as etcd3 hands it out: a duplex stream of objects. */
export interface WatchStream extends AsyncIterable<IWatchResponse> {
  write(request: object): void;
  end(): void;
  cancel(): void;
  on(event: 'error', listener: (error: Error) => void): this;
}

/** The members of a cluster as one: calls go to any of them, and safe ones to another when one fails. */
export class Connection {
  readonly etcd: Etcd3;
  readonly #clock: Clock;
  readonly #endpoints: readonly string[];
  readonly #retryMs: number;
  readonly #closed = new AbortController();

  constructor({ endpoints, credentials, auth, clock, retryMs = RETRY_MS }: ConnectionOptions) {
    this.#retryMs = retryMs;
    this.#clock = clock;
    this.#endpoints = endpoints;
    this.etcd = new Etcd3({
      hosts: endpoints.map((endpoint) => `${credentials ? 'https' : 'http'}://${endpoint}`),
      credentials: credentials && {
        rootCertificate: credentials.ca,
        privateKey: credentials.key,
        certChain: credentials.certificate,
      },
      auth,
      grpcOptions: {
        'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
        'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
        'grpc.keepalive_time_ms': KEEPALIVE_MS,
        'grpc.keepalive_timeout_ms': CALL_MS,
        'grpc.initial_reconnect_backoff_ms': FIRST_PAUSE_MS,
        'grpc.max_reconnect_backoff_ms': LONGEST_PAUSE_MS,
        ...(credentials?.serverName && { 'grpc.ssl_target_name_override': credentials.serverName }),
      },
      faultHandling: { host: avoidance(clock, endpoints.length), global: ONCE },
    });
  }

  /** Options of one call. */
  deadline(ms = CALL_MS): { deadline: number } {
    return { deadline: this.#clock.now() + ms };
  }

  /**
   * Makes a call that is safe to make twice, again and again for `retryMs` while etcd cannot be reached; then
   * EtcdUnavailableError. Other errors are etcd3's.
   */
  async repeat<T>(call: (options: { deadline: number }) => Promise<T>): Promise<T> {
    const end = this.#clock.monotonic() + this.#retryMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        return await call(this.deadline());
      } catch (error) {
        if (this.closed) throw new Error('the store was closed');
        if (faultOf(error) !== 'unavailable') throw error;
        if (this.#clock.monotonic() > end) throw this.unavailable(error);
      }
      await this.pause(pause);
    }
  }

  unavailable(error: unknown): EtcdUnavailableError {
    return new EtcdUnavailableError(
      `etcd at ${this.#endpoints.join(', ')} does not answer (${messageOf(error)}): see that a majority of its members runs and can be reached`,
    );
  }

  /** Waits; ends early, quietly, when the connection is closed. */
  async pause(ms: number): Promise<void> {
    await sleep(this.#clock, ms, this.#closed.signal).catch(() => undefined);
  }

  async watchStream(): Promise<WatchStream> {
    return (await this.etcd.watchClient.watch()) as unknown as WatchStream;
  }

  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  get closing(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
    this.etcd.close();
  }
}
