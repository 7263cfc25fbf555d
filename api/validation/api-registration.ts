/** Registered versions of API groups. Source: Kubernetes API reference, APIService. */
import type { APIService } from '../objects.ts';
import type { Faults } from './faults.ts';
import { dns1035LabelFaults, dnsSubdomainFaults, portNumberFaults } from './names.ts';

type Spec = NonNullable<APIService['spec']>;

const MAX_GROUP_PRIORITY = 20_000;
const MAX_VERSION_PRIORITY = 1000;

export function checkApiService({ metadata, spec }: APIService, faults: Faults): void {
  const { group = '', version = '', groupPriorityMinimum, versionPriority } = spec ?? ({} as Spec);
  const { service, caBundle, insecureSkipTLSVerify } = spec ?? ({} as Spec);
  const wanted = `${version}.${group}`;
  if (metadata.name !== wanted)
    faults.invalid(
      'metadata.name',
      metadata.name,
      `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`,
    );
  if (!group && version !== 'v1')
    faults.required('spec.group', 'only v1 may have an empty group and it better be legacy kube');
  if (group) faults.invalidFor('spec.group', group, dnsSubdomainFaults(group));
  faults.invalidFor('spec.version', version, dns1035LabelFaults(version));
  checkPriority(groupPriorityMinimum, MAX_GROUP_PRIORITY, 'spec.groupPriorityMinimum', faults);
  checkPriority(versionPriority, MAX_VERSION_PRIORITY, 'spec.versionPriority', faults);
  if (service) {
    checkService(service, faults);
    if (insecureSkipTLSVerify && caBundle)
      faults.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present');
    return;
  }
  if (caBundle) {
    const bytes = `${Buffer.byteLength(caBundle, 'base64')} bytes`;
    faults.invalid('spec.caBundle', bytes, 'local APIServices may not have a caBundle');
  }
  if (insecureSkipTLSVerify)
    faults.invalid(
      'spec.insecureSkipTLSVerify',
      true,
      'local APIServices may not have insecureSkipTLSVerify',
    );
}

function checkPriority(value = 0, max: number, field: string, faults: Faults): void {
  if (value <= 0 || value > max) faults.invalid(field, value, `must be positive and less than ${max}`);
}

function checkService({ namespace, name, port = 0 }: NonNullable<Spec['service']>, faults: Faults): void {
  if (!namespace) faults.required('spec.service.namespace');
  if (!name) faults.required('spec.service.name');
  const details = portNumberFaults(port).map((fault) => `port is not valid: ${fault}`);
  faults.invalidFor('spec.service.port', port, details);
}

const STATUSES = ['True', 'False', 'Unknown'];

export function checkApiServiceStatus({ status }: APIService, faults: Faults): void {
  for (const [index, condition] of (status?.conditions ?? []).entries())
    if (!STATUSES.includes(condition.status))
      faults.notSupported(`status.conditions[${index}].status`, condition.status, STATUSES);
}
