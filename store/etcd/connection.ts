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
  /** Why no majority answers, for people, from whoever knows the members better than as endpoints; undefined: nothing is known. */
  explain?: () => Promise<string | undefined>;
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

/** Streams to members that are no longer used break after this. */
const LEAVE_MS = 10_000;

/** What makes one way to etcd another than before. */
function wayOf({ endpoints, credentials }: ConnectionOptions): string {
  return [...endpoints].sort().join() + (credentials?.certificate ?? '');
}

function clientOf({ endpoints, credentials, auth, clock }: ConnectionOptions): Etcd3 {
  return new Etcd3({
    hosts: endpoints.map((endpoint) => `${credentials ? 'https' : 'http'}://${endpoint}`),
    credentials: credentials && {
      rootCertificate: credentials.ca,
      privateKey: credentials.key,
      certChain: credentials.certificate,
    },
    auth,
    grpcOptions: {
      // A proxy of the environment is for what lies outside.
      'grpc.enable_http_proxy': 0,
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
  #etcd: Etcd3;
  #options: ConnectionOptions;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #trouble: string | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#etcd = clientOf(options);
  }

  /** To be asked for anew for each call: the members may change. */
  get etcd(): Etcd3 {
    return this.#etcd;
  }

  /** Goes on with these members; calls and streams on the way end by themselves, or break and are made again. */
  use(endpoints: readonly string[], credentials = this.#options.credentials): void {
    if (this.closed || endpoints.length === 0) return;
    const next = { ...this.#options, endpoints, credentials };
    if (wayOf(next) === wayOf(this.#options)) return;
    const before = this.#etcd;
    this.#options = next;
    this.#etcd = clientOf(next);
    this.#clock.timer(LEAVE_MS, () => before.close());
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
    const end = this.#clock.monotonic() + (this.#options.retryMs ?? RETRY_MS);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        const answer = await call(this.deadline());
        this.#trouble = undefined;
        return answer;
      } catch (error) {
        if (this.closed) throw new Error('the store was closed');
        if (faultOf(error) !== 'unavailable') throw error;
        if (this.#clock.monotonic() > end) throw await this.#explained(error);
      }
      await this.pause(pause);
    }
  }

  async #explained(error: unknown): Promise<EtcdUnavailableError> {
    const why = await this.#options.explain?.();
    const explained = why === undefined ? this.unavailable(error) : new EtcdUnavailableError(why);
    this.#trouble = explained.message;
    return explained;
  }

  unavailable(error: unknown): EtcdUnavailableError {
    return new EtcdUnavailableError(
      `etcd at ${this.#options.endpoints.join(', ')} does not answer (${messageOf(error)}): see that a majority of its members runs and can be reached`,
    );
  }

  /** Waits; ends early, quietly, when the connection is closed. */
  async pause(ms: number): Promise<void> {
    await sleep(this.#clock, ms, this.#closed.signal).catch(() => undefined);
  }

  async watchStream(): Promise<WatchStream> {
    return (await this.etcd.watchClient.watch()) as unknown as WatchStream;
  }

  get credentials(): Credentials | undefined {
    return this.#options.credentials;
  }

  /** Why the last call that was given up on failed; undefined once one has been answered. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  get closing(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
    this.#etcd.close();
  }
}
