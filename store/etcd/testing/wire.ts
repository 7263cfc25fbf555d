import { connect, createServer, type Server, type Socket } from 'node:net';

/** A wire that can be cut: forwards connections on loopback to a member of etcd. */
export class Wire {
  readonly #target: string;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #blocked = false;
  /** How many connections it has forwarded. */
  connections = 0;

  constructor(target: string) {
    this.#target = target;
    this.#server = createServer((socket) => this.#forward(socket));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Breaks every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks every connection, and every new one until `unblock`. */
  block(): void {
    this.#blocked = true;
    this.cut();
  }

  unblock(): void {
    this.#blocked = false;
  }

  async close(): Promise<void> {
    this.block();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(socket: Socket): void {
    if (this.#blocked) return void socket.destroy();
    this.connections += 1;
    const [host, port] = this.#target.split(':');
    const other = connect(Number(port), host);
    for (const [one, two] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => two.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        two.destroy();
      });
      one.pipe(two);
    }
  }
}
