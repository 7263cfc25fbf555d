import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generatedDescriptions, generatedSchemas } from '../schema/load.ts';
import { isObject, type JsonObject } from '../schema/model.ts';
import type { OpenApiResource, OpenApiSource } from './resource.ts';
import { openApiV2Document } from './v2.ts';
import { acceptsOpenApiV2Protobuf, encodeOpenApiV2, OPENAPI_V2_PROTOBUF } from './v2-protobuf.ts';
import { openApiV3Document, openApiV3Index } from './v3.ts';

const ALL = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const resource = (
  group: string,
  version: string,
  kind: string,
  plural: string,
  schema: string,
  namespaced = true,
): OpenApiResource => ({
  group,
  version,
  kind,
  plural,
  namespaced,
  verbs: ALL,
  schema,
  subresources: [{ name: 'status', verbs: ['get', 'patch', 'update'] }],
});

const source: OpenApiSource = {
  resources: [
    resource('', 'v1', 'Pod', 'pods', 'io.k8s.api.core.v1.Pod'),
    resource('', 'v1', 'Node', 'nodes', 'io.k8s.api.core.v1.Node', false),
    resource('apps', 'v1', 'Deployment', 'deployments', 'io.k8s.api.apps.v1.Deployment'),
    resource(
      'apiextensions.k8s.io',
      'v1',
      'CustomResourceDefinition',
      'customresourcedefinitions',
      'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
      false,
    ),
  ],
  schemas: generatedSchemas(),
  descriptions: generatedDescriptions(),
  version: 'v1.36.0',
};

/** Every $ref anywhere in a document. */
function refsIn(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (Array.isArray(value)) for (const element of value) refsIn(element, found);
  else if (isObject(value))
    for (const [name, inner] of Object.entries(value)) {
      if (name === '$ref' && typeof inner === 'string') found.add(inner);
      refsIn(inner, found);
    }
  return found;
}

const at = (document: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), document);

describe('version 3', () => {
  test('the index names each group version with a hash', () => {
    const index = openApiV3Index(source);
    expect(Object.keys(index['paths'] as object)).toEqual([
      'api/v1',
      'apis/apiextensions.k8s.io/v1',
      'apis/apps/v1',
    ]);
    expect(at(index, 'paths', 'apis/apps/v1', 'serverRelativeURL')).toMatch(
      /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{64}$/,
    );
  });

  test('every reference of a document leads somewhere in it', () => {
    for (const path of ['api/v1', 'apis/apps/v1', 'apis/apiextensions.k8s.io/v1']) {
      const document = openApiV3Document(source, path)!;
      const schemas = at(document, 'components', 'schemas') as JsonObject;
      for (const ref of refsIn(document))
        expect(schemas, ref).toHaveProperty([ref.replace('#/components/schemas/', '')]);
    }
    expect(openApiV3Document(source, 'apis/nothing/v1')).toBeUndefined();
  });

  test('schemas carry kinds, merge keys and list types', () => {
    const schemas = at(openApiV3Document(source, 'api/v1'), 'components', 'schemas');
    expect(at(schemas, 'io.k8s.api.core.v1.Pod', 'x-kubernetes-group-version-kind')).toEqual([
      { group: '', version: 'v1', kind: 'Pod' },
    ]);
    expect(at(schemas, 'io.k8s.api.core.v1.PodSpec', 'properties', 'containers')).toMatchObject({
      type: 'array',
      items: { $ref: '#/components/schemas/io.k8s.api.core.v1.Container' },
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
    });
    expect(at(schemas, 'io.k8s.api.core.v1.Container', 'properties', 'imagePullPolicy', 'enum')).toEqual([
      'Always',
      'IfNotPresent',
      'Never',
    ]);
    expect(at(schemas, 'io.k8s.api.core.v1.PodSpec', 'required')).toEqual(['containers']);
  });

  test('operations tell their action and kind', () => {
    const paths = at(openApiV3Document(source, 'apis/apps/v1'), 'paths');
    const item = '/apis/apps/v1/namespaces/{namespace}/deployments/{name}';
    expect(at(paths, item, 'patch')).toMatchObject({
      operationId: 'patchAppsV1NamespacedDeployment',
      'x-kubernetes-action': 'patch',
      'x-kubernetes-group-version-kind': { group: 'apps', version: 'v1', kind: 'Deployment' },
    });
    expect(Object.keys(paths as object)).toEqual(
      expect.arrayContaining(['/apis/apps/v1/deployments', `${item}/status`]),
    );
  });
});

describe('version 2', () => {
  test('every reference leads to a definition', () => {
    const document = openApiV2Document(source);
    for (const ref of refsIn(document))
      expect(document['definitions']).toHaveProperty([ref.replace('#/definitions/', '')]);
  });
});

const kubectlFolder = existsSync('/usr/bin/kubectl') ? dirname(realpathSync('/usr/bin/kubectl')) : '';
const versions = kubectlFolder
  ? readdirSync(kubectlFolder)
      .filter((name) => /^kubectl\.1\.\d+$/.test(name))
      .sort()
  : [];

describe.skipIf(versions.length === 0)('the real kubectl (skipped where there is none)', () => {
  let server: Server;
  let folder: string;
  let url: string;
  const seen: { method: string; url: string; body: string }[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'openapi-test-'));
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        seen.push({ method: request.method!, url: request.url!, body });
        const answer = answerTo(
          request.method!,
          new URL(request.url!, 'http://x'),
          body,
          request.headers.accept ?? '',
        );
        response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (version: string, ...args: string[]): Promise<string> => {
    const home = join(folder, version);
    const { stdout } = await promisify(execFile)(
      join(kubectlFolder, version),
      [`--server=${url}`, `--cache-dir=${home}`, '--kubeconfig=/dev/null', ...args],
      {
        timeout: 15_000,
        env: { HOME: home, PATH: '/usr/bin' },
      },
    );
    return stdout;
  };

  test.each(versions)('%s explains a field', async (version) => {
    const out = await run(version, 'explain', 'deployment.spec.template.spec.containers.imagePullPolicy');
    expect(out).toContain('Deployment');
    expect(out).toContain('imagePullPolicy <string>');
    expect(out).toContain('Image pull policy.');
    expect(await run(version, 'explain', 'pods')).toContain('spec\t<PodSpec>');
  });

  test.each(versions)('%s applies with a patch that knows the merge keys', async (version) => {
    const file = join(folder, 'deployment.json');
    writeFileSync(file, JSON.stringify(deployment('nginx:2')));
    seen.length = 0;
    expect(await run(version, 'apply', '-f', file)).toContain('deployment.apps/web');
    const patch = seen.find((request) => request.method === 'PATCH');
    expect(patch?.url).toContain('fieldValidation=Strict');
    expect(JSON.parse(patch!.body)).toMatchObject({
      spec: {
        template: {
          spec: {
            containers: [{ image: 'nginx:2', name: 'c' }],
            '$setElementOrder/containers': [{ name: 'c' }],
          },
        },
      },
    });
  });

  function deployment(image: string): JsonObject {
    const labels = { app: 'web' };
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image }] } },
      },
    };
  }

  const json = (value: unknown) => ({ status: 200, type: 'application/json', body: JSON.stringify(value) });

  function answerTo(method: string, { pathname }: URL, _body: string, accept: string) {
    if (pathname === '/version') return json({ major: '1', minor: '36', gitVersion: source.version });
    if (pathname === '/openapi/v3') return json(openApiV3Index(source));
    if (pathname.startsWith('/openapi/v3/'))
      return json(openApiV3Document(source, pathname.slice('/openapi/v3/'.length)));
    if (pathname === '/openapi/v2') {
      if (!acceptsOpenApiV2Protobuf(accept)) return json(openApiV2Document(source));
      return {
        status: 200,
        type: OPENAPI_V2_PROTOBUF,
        body: Buffer.from(encodeOpenApiV2(openApiV2Document(source))),
      };
    }
    if (pathname === '/api') return json({ kind: 'APIVersions', versions: ['v1'] });
    if (pathname === '/apis') {
      const version = { groupVersion: 'apps/v1', version: 'v1' };
      return json({
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: [{ name: 'apps', versions: [version], preferredVersion: version }],
      });
    }
    if (pathname === '/api/v1' || pathname === '/apis/apps/v1') return json(resourceList(pathname));
    if (pathname.endsWith('/deployments/web')) {
      if (method === 'PATCH') return json(deployment('nginx:2'));
      const live = deployment('nginx:1');
      const applied = JSON.stringify(live);
      (live['metadata'] as JsonObject)['annotations'] = {
        'kubectl.kubernetes.io/last-applied-configuration': applied,
      };
      return json(live);
    }
    return {
      status: 404,
      type: 'application/json',
      body: JSON.stringify({
        kind: 'Status',
        apiVersion: 'v1',
        status: 'Failure',
        code: 404,
        reason: 'NotFound',
      }),
    };
  }

  function resourceList(pathname: string): JsonObject {
    const groupVersion = pathname.replace(/^\/apis?\//, '');
    const group = groupVersion.includes('/') ? groupVersion.split('/')[0]! : '';
    const resources = source.resources
      .filter((entry) => entry.group === group)
      .map(({ plural, kind, namespaced, verbs }) => ({
        name: plural,
        singularName: kind.toLowerCase(),
        kind,
        namespaced,
        verbs,
      }));
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
  }
});
