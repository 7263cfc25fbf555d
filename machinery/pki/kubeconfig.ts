/** A kubeconfig with one cluster, one user and one context. Source: client.config.k8s.io/v1. */
export interface Kubeconfig {
  /** Names cluster and context. */
  name: string;
  /** `https://host:port`. */
  server: string;
  /** PEM. */
  certificateAuthority: string;
  user: string;
  credentials: { certificate: string; key: string } | { token: string };
  namespace?: string;
}

/** The file's text. JSON strings are YAML strings too, so every value is written as one. */
export function kubeconfigYaml(config: Kubeconfig): string {
  const quoted = JSON.stringify;
  const data = (pem: string) => Buffer.from(pem).toString('base64');
  const credentials =
    'token' in config.credentials
      ? [`      token: ${quoted(config.credentials.token)}`]
      : [
          `      client-certificate-data: ${data(config.credentials.certificate)}`,
          `      client-key-data: ${data(config.credentials.key)}`,
        ];
  return [
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `  - name: ${quoted(config.name)}`,
    '    cluster:',
    `      server: ${quoted(config.server)}`,
    `      certificate-authority-data: ${data(config.certificateAuthority)}`,
    'users:',
    `  - name: ${quoted(config.user)}`,
    '    user:',
    ...credentials,
    'contexts:',
    `  - name: ${quoted(config.name)}`,
    '    context:',
    `      cluster: ${quoted(config.name)}`,
    `      user: ${quoted(config.user)}`,
    ...(config.namespace ? [`      namespace: ${quoted(config.namespace)}`] : []),
    `current-context: ${quoted(config.name)}`,
    'preferences: {}',
    '',
  ].join('\n');
}
