import { CertificateSigningRequestKind } from '../kinds/certificate-signing-request.ts';
import { type Specimen, specimenOf } from './specimen.ts';

/** Of system:node:n1 in system:nodes, signed by its P-256 key: made with `openssl req -new`. */
export const PEM_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIHrMIGSAgEAMDAxFzAVBgNVBAMMDnN5c3RlbTpub2RlOm4xMRUwEwYDVQQKDAxz
eXN0ZW06bm9kZXMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATvKbRmQ4WF0a+z
jIr4QCb5buVc5SemxJ3cnyXqSZmSJjTrKg0hI9RUeBsRBIv+DluhqunJWIsqTVam
w4N2/amvoAAwCgYIKoZIzj0EAwIDSAAwRQIgbuFlWXZqXQHtYdJPZ3saBJh73uBC
vaJm5l5W38QvBTUCIQDPBYmiq3OoaEZNd6Vl+RMy4/QslXnwmI0U0kj5yGIisw==
-----END CERTIFICATE REQUEST-----
`;

export const certificateSpecimens: readonly Specimen[] = [
  specimenOf(CertificateSigningRequestKind, {
    'a client certificate': {
      spec: {
        request: Buffer.from(PEM_REQUEST).toString('base64'),
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        expirationSeconds: 3600,
        usages: ['digital signature', 'client auth'],
        username: 'system:node:n1',
        uid: '1',
        groups: ['system:nodes'],
        extra: { 'example.com/reason': ['a', 'b'] },
      },
    },
  }),
];
