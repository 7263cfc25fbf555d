import { FlowSchemaKind } from '../kinds/flow-schema.ts';
import { PriorityLevelConfigurationKind } from '../kinds/priority-level-configuration.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const flowControlSpecimens: readonly Specimen[] = [
  specimenOf(FlowSchemaKind, {
    'requests of all sorts of subjects': {
      spec: {
        priorityLevelConfiguration: { name: 'global-default' },
        matchingPrecedence: 800,
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [
              { kind: 'User', user: { name: 'ann' } },
              { kind: 'Group', group: { name: 'dev' } },
              { kind: 'ServiceAccount', serviceAccount: { namespace: 'default', name: 'web' } },
            ],
            resourceRules: [
              {
                verbs: ['get', 'list'],
                apiGroups: ['apps'],
                resources: ['deployments'],
                clusterScope: true,
                namespaces: ['default'],
              },
            ],
            nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/', '/healthz', '/logs/*'] }],
          },
        ],
      },
    },
  }),
  specimenOf(PriorityLevelConfigurationKind, {
    'a limited level': {
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: 20,
          lendablePercent: 50,
          borrowingLimitPercent: 100,
          limitResponse: {
            type: 'Queue',
            queuing: { queues: 128, handSize: 6, queueLengthLimit: 50 },
          },
        },
      },
    },
    'the exempt level': {
      metadata: { name: 'exempt' },
      spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 5, lendablePercent: 50 } },
    },
  }),
];
