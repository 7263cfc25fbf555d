import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeParsed } from '../schema/decode.ts';
import { generatedSchemas } from '../schema/load.ts';
import type { JsonObject } from '../schema/model.ts';
import { applyStrategicMergePatch } from './strategic.ts';

/** Random patches, applied by us and by `kubectl patch --local`, which uses the implementation that defines them. */
const kubectl = existsSync('/usr/bin/kubectl')
  ? join(dirname(realpathSync('/usr/bin/kubectl')), 'kubectl.1.33')
  : '';
const CASES = 40;
/** A start of kubectl each. */
const CASES_MS = 2000 * CASES;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strategic-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Pick = (below: number) => number;

function seeded(seed: number): Pick {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}

const some = (pick: Pick, letters: string) => [...letters].filter(() => pick(2)).sort(() => pick(3) - 1);
const maybe = (pick: Pick, part: JsonObject): JsonObject => (pick(2) ? part : {});
const named = (names: string[]) => names.map((name) => ({ name }));

function container(pick: Pick, name: string): JsonObject {
  return {
    name,
    image: `i${pick(3)}`,
    ...maybe(pick, { args: [`x${pick(3)}`] }),
    ...maybe(pick, { env: some(pick, 'AB').map((env) => ({ name: env, value: String(pick(3)) })) }),
    ...maybe(pick, { ports: some(pick, '12').map((port) => ({ containerPort: 80 + Number(port) })) }),
    ...maybe(pick, { resources: { limits: { cpu: String(1 + pick(3)) } } }),
  };
}

function livePod(pick: Pick): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', labels: { a: '1', b: '2' }, finalizers: some(pick, 'abcd') },
    spec: {
      containers: some(pick, 'abcde').map((name) => container(pick, name)),
      volumes: some(pick, 'vw').map((name) => ({ name, emptyDir: {} })),
      tolerations: [{ key: 'x' }],
    },
  };
}

function patchOf(pick: Pick): JsonObject {
  const names = some(pick, 'abcdef');
  const gone = some(pick, 'abcde').filter((name) => !names.includes(name));
  const finalizers = some(pick, 'cdef');
  return {
    metadata: {
      labels: { a: pick(2) ? null : '9', c: '3' },
      ...maybe(pick, {
        finalizers,
        ...maybe(pick, { '$setElementOrder/finalizers': [...finalizers, 'a', 'b'] }),
      }),
      // Never what the patch also adds: Go takes the two in the order of its maps, which differs from run to run.
      ...maybe(pick, {
        '$deleteFromPrimitiveList/finalizers': some(pick, 'abc').filter((name) => !finalizers.includes(name)),
      }),
    },
    spec: {
      containers: [
        ...(pick(4) ? [] : [{ $patch: 'replace' }]),
        ...names.map((name) => container(pick, name)),
        ...gone.map((name) => ({ name, $patch: 'delete' })),
      ],
      ...maybe(pick, { '$setElementOrder/containers': named(names) }),
      ...maybe(pick, {
        volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }],
      }),
      ...maybe(pick, { tolerations: [{ key: 'z' }] }),
    },
  };
}

test.skipIf(!existsSync(kubectl))(
  `${CASES} random patches come out as kubectl makes them`,
  async () => {
    const pod = generatedSchemas().type('io.k8s.api.core.v1.Pod');
    const file = join(folder, 'pod.json');
    for (let at = 0; at < CASES; at++) {
      const pick = seeded(at + 1);
      const live = livePod(pick);
      const patch = patchOf(pick);
      writeFileSync(file, JSON.stringify(live));
      const parameters = [
        'patch',
        '--local',
        '-f',
        file,
        '--type=strategic',
        '-o',
        'json',
        '-p',
        JSON.stringify(patch),
      ];
      const { stdout } = await promisify(execFile)(kubectl, parameters, { timeout: 10_000 });
      const ours = structuredClone(applyStrategicMergePatch(live, patch, pod));
      const theirs = JSON.parse(stdout) as JsonObject;
      expect(decodeParsed(ours, pod).object, JSON.stringify({ live, patch })).toEqual(
        decodeParsed(theirs, pod).object,
      );
    }
  },
  CASES_MS,
);
