import { VirtualClock } from '#machinery/clock-virtual.ts';
import { storeConformance } from '../conformance.ts';
import { MemoryStore } from './index.ts';

storeConformance('memory', {
  async open() {
    const clock = new VirtualClock();
    const watcherLimitBytes = 64 * 1024;
    return { store: new MemoryStore({ clock, watcherLimitBytes }), clock, watcherLimitBytes };
  },
  async cleanup() {},
});
