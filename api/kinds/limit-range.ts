import { canonicalQuantities } from '../defaults/quantities.ts';
import type { Kind } from '../kind.ts';
import type { LimitRange } from '../objects.ts';
import { checkLimitRange } from '../validation/limit-range.ts';
import { isDnsSubdomain } from '../validation/names.ts';
import { createdAtColumn, nameColumn } from './columns.ts';
import { strategyOf } from './strategy.ts';

/** What pods and claims of a namespace get when they do not say, and the least and most they may ask for. */
export const LimitRangeKind: Kind<LimitRange> = {
  group: '',
  version: 'v1',
  kind: 'LimitRange',
  plural: 'limitranges',
  singular: 'limitrange',
  shortNames: ['limits'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.LimitRange',
  strategy: strategyOf<LimitRange>({
    namespaced: true,
    name: isDnsSubdomain,
    prepareForCreate({ metadata }) {
      // Any name is as good as another.
      metadata.name ||= metadata.uid!;
    },
    defaults(limitRange) {
      for (const item of limitRange.spec?.limits ?? []) {
        const { max, min } = item;
        if (item.type === 'Container') {
          // The default limit is the largest, the default request the limit, or the least.
          const limits = { ...max, ...item.default };
          const requests = { ...min, ...limits, ...item.defaultRequest };
          if (Object.keys(limits).length > 0) item.default = limits;
          if (Object.keys(requests).length > 0) item.defaultRequest = requests;
        }
        const { default: limits, defaultRequest, maxLimitRequestRatio } = item;
        for (const list of [max, min, limits, defaultRequest, maxLimitRequestRatio])
          canonicalQuantities(list);
      }
    },
    check: checkLimitRange,
  }),
  columns: [nameColumn, createdAtColumn],
};
