import { duplexPair } from 'node:stream';
import { StatusError } from '#machinery/errors.ts';
import { transportConformance } from '#machinery/transport.conformance.ts';
import type { ResourceHandler } from './contract.ts';
import { startTestServer, TEST_ADMIN } from './fake/server.ts';

transportConformance('in process', async () => {
  const gone = Promise.withResolvers<void>();
  const server = await startTestServer({ handlers: () => handlersThatTalk(gone.resolve) });
  const pod = '/api/v1/namespaces/default/pods/any';
  return {
    transport: server.transport(TEST_ADMIN),
    paths: {
      echo: `${pod}/log`,
      create: '/api/v1/namespaces/default/configmaps',
      absent: '/api/v1/namespaces/default/configmaps/none',
      stream: `${pod}/log/stream`,
      upgrade: `${pod}/exec`,
      cut: `${pod}/log/cut`,
      refused: `${pod}/attach`,
      broken: `${pod}/portforward`,
    },
    readerGone: gone.promise,
    close: () => server.stop(),
  };
});

/** Subresources that do what the suite asks for, in the place of those that need a node. */
function handlersThatTalk(onGone: () => void): ResourceHandler[] {
  return [
    {
      resource: 'pods/log',
      async serve({ info, request, signal }) {
        if (info.path.endsWith('/stream'))
          return { status: 200, headers: {}, body: firstThenNothing(signal, onGone) };
        if (info.path.endsWith('/cut')) return { status: 200, headers: {}, body: halfABody() };
        const headers = { 'x-seen': request.headers['x-sent'] ?? '' };
        return { status: 200, headers, body: Buffer.from(info.query.get('word') ?? '') };
      },
    },
    {
      resource: 'pods/exec',
      async upgrade() {
        const [ours, theirs] = duplexPair();
        theirs.write('hello ');
        theirs.pipe(theirs);
        return { status: 101, headers: {}, stream: ours };
      },
    },
    {
      resource: 'pods/attach',
      async upgrade() {
        throw new StatusError('Forbidden', 'not you');
      },
    },
    {
      resource: 'pods/portforward',
      async upgrade() {
        throw new Error('a bug');
      },
    },
  ];
}

async function* halfABody(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('half');
  throw new Error('the other half is lost');
}

async function* firstThenNothing(signal: AbortSignal, onGone: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield Buffer.from('first');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  } finally {
    onGone();
  }
}
