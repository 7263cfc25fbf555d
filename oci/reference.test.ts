import { describe, expect, test } from 'vitest';
import { canonicalName, familiarName, parseReference } from './reference.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('image references', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest', 'nginx:latest'],
    ['nginx:1.27', 'docker.io/library/nginx:1.27', 'nginx:1.27'],
    ['grafana/loki', 'docker.io/grafana/loki:latest', 'grafana/loki:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest', 'nginx:latest'],
    ['index.docker.io/nginx', 'docker.io/library/nginx:latest', 'nginx:latest'],
    ['localhost/a', 'localhost/a:latest', 'localhost/a:latest'],
    ['localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1'],
    ['registry.k8s.io/pause:3.9', 'registry.k8s.io/pause:3.9', 'registry.k8s.io/pause:3.9'],
    ['[::1]:5000/a', '[::1]:5000/a:latest', '[::1]:5000/a:latest'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`, `nginx@${DIGEST}`],
    [`nginx:1@${DIGEST}`, `docker.io/library/nginx:1@${DIGEST}`, `nginx:1@${DIGEST}`],
  ])('%s means %s', (text, canonical, familiar) => {
    expect(canonicalName(parseReference(text))).toBe(canonical);
    expect(familiarName(parseReference(text))).toBe(familiar);
  });

  test.each([
    ['', /empty/],
    ['Nginx', /lowercase/],
    ['a b', /not a repository/],
    ['nginx:', /not a tag/],
    ['nginx:a/b:c d', /not a tag/],
    ['nginx@sha256:123', /64 hexadecimal/],
    [`nginx@${DIGEST}@${DIGEST}`, /64 hexadecimal/],
    ['ex_ample.com:99999999/a', /not a registry/],
    ['a//b', /not a repository/],
    ['../etc', /not a re/],
    [`a${'b'.repeat(300)}`, /not a repository/],
  ])('%s is refused', (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
  });
});
