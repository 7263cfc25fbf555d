import { EndpointSliceKind } from '../kinds/endpoint-slice.ts';
import { EventsEventKind } from '../kinds/events-event.ts';
import { eventParts, reference } from './core-network.ts';
import { type Specimen, specimenOf } from './specimen.ts';

export const discoverySpecimens: readonly Specimen[] = [
  specimenOf(EndpointSliceKind, {
    'a slice of addresses': {
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: 'web-0',
          nodeName: 'n1',
          zone: 'a',
          targetRef: reference,
          deprecatedTopology: { rack: '1' },
          hints: { forZones: [{ name: 'a' }], forNodes: [{ name: 'n1' }] },
        },
      ],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, appProtocol: 'http' }],
    },
  }),
  specimenOf(EventsEventKind, {
    'an event': {
      ...eventParts,
      regarding: reference,
      note: 'Pulled it',
      reportingController: 'example.com/node',
    },
  }),
];
