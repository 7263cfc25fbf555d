import { describe, expect, it } from 'vitest';
import { requestInfo } from './request-info.ts';

const CASES: [string, string, object][] = [
  ['GET', '/api/v1/namespaces/a/pods', { verb: 'list', resource: 'pods', namespace: 'a', name: '' }],
  ['GET', '/api/v1/namespaces/a/pods?watch=1', { verb: 'watch', resource: 'pods' }],
  ['GET', '/api/v1/namespaces/a/pods?watch', { verb: 'watch', resource: 'pods' }],
  ['GET', '/api/v1/namespaces/a/pods?watch=False', { verb: 'list', resource: 'pods' }],
  [
    'GET',
    '/api/v1/watch/namespaces/a/pods/p',
    { verb: 'watch', resource: 'pods', namespace: 'a', name: 'p' },
  ],
  ['GET', '/apis/apps/v1/watch/deployments', { verb: 'watch', resource: 'deployments', name: '' }],
  ['GET', '/api/v1/namespaces/a/pods/p/log', { verb: 'get', name: 'p', subresource: 'log' }],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dp', { verb: 'list', name: 'p', namespace: '' }],
  ['GET', '/api/v1/namespaces/a', { verb: 'get', resource: 'namespaces', name: 'a', namespace: 'a' }],
  ['PUT', '/api/v1/namespaces/a/finalize', { resource: 'namespaces', name: 'a', subresource: 'finalize' }],
  ['DELETE', '/apis/apps/v1/namespaces/a/deployments', { verb: 'deletecollection', group: 'apps' }],
  ['PATCH', '/apis/apps/v1/namespaces/a/deployments/d/scale', { verb: 'patch', subresource: 'scale' }],
  ['GET', '/api/v1/nodes/n/proxy/stats/x', { resource: 'nodes', name: 'n', subresource: 'proxy/stats/x' }],
  ['GET', '/apis', { isResource: false, verb: 'get', path: '/apis' }],
  ['GET', '/apis/apps/v1', { isResource: false }],
  ['POST', '/version', { isResource: false, verb: 'post' }],
  ['GET', '/api/v1/namespaces/a/configmaps/%zz', { isResource: false }],
];

describe('request info', () => {
  it.each(CASES)('%s %s', (method, path, expected) => {
    expect(requestInfo(method, path)).toMatchObject(expected);
  });
});
