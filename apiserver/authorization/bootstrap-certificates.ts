import type { PolicyRule } from '#api/objects.ts';
import { rule } from './rule-words.ts';

const GROUP = 'certificates.k8s.io';
const REQUESTS = 'certificatesigningrequests';

/** One who may approve what the signer called `name` is asked for. */
function approver(name: string): PolicyRule[] {
  return [{ ...rule(['approve'], [GROUP], ['signers']), resourceNames: [`kubernetes.io/${name}`] }];
}

/**
 * Roles about certificate requests. Whoever may create one of the made-up subresources has a request of that sort approved
 * by a controller. Source: Kubernetes "Certificates and Certificate Signing Requests".
 */
export const CERTIFICATE_ROLES: Record<string, PolicyRule[]> = {
  'system:node-bootstrapper': [rule(['create', 'get', 'list', 'watch'], [GROUP], [REQUESTS])],
  [`system:${GROUP}:${REQUESTS}:nodeclient`]: [rule(['create'], [GROUP], [`${REQUESTS}/nodeclient`])],
  [`system:${GROUP}:${REQUESTS}:selfnodeclient`]: [rule(['create'], [GROUP], [`${REQUESTS}/selfnodeclient`])],
  [`system:${GROUP}:${REQUESTS}:selfnodeserver`]: [rule(['create'], [GROUP], [`${REQUESTS}/selfnodeserver`])],
  [`system:${GROUP}:legacy-unknown-approver`]: approver('legacy-unknown'),
  [`system:${GROUP}:kubelet-serving-approver`]: approver('kubelet-serving'),
  [`system:${GROUP}:kube-apiserver-client-approver`]: approver('kube-apiserver-client'),
  [`system:${GROUP}:kube-apiserver-client-kubelet-approver`]: approver('kube-apiserver-client-kubelet'),
};
