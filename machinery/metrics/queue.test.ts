import { expect, it } from 'vitest';
import { settle, VirtualClock } from '../clock-virtual.ts';
import { WorkQueue } from '../queue.ts';
import { seededRandom } from '../random.ts';
import { QueueCounts, queueMetrics } from './queue.ts';

it('counts what comes, waits, is worked on and fails', async () => {
  const clock = new VirtualClock();
  const counts = new QueueCounts(clock);
  const ends: ((error?: Error) => void)[] = [];
  const queue = new WorkQueue<string>({
    ...{ clock, random: seededRandom(1), concurrency: 1, counts, firstRetryMs: 5_000 },
    work: () => new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve()))),
  });
  const lines = () => queueMetrics(new Map([['a-controller', counts]])).split('\n');
  for (const key of ['a', 'b', 'b']) queue.add(key);
  await clock.advance(2_000);
  expect(lines()).toEqual(
    expect.arrayContaining([
      'workqueue_depth{name="a-controller"} 1',
      'workqueue_adds_total{name="a-controller"} 2',
      'workqueue_unfinished_work_seconds{name="a-controller"} 2',
      'workqueue_longest_running_processor_seconds{name="a-controller"} 2',
      'workqueue_work_duration_seconds_count{name="a-controller"} 0',
    ]),
  );
  ends.shift()!(new Error('no'));
  await settle();
  ends.shift()!();
  await settle();
  expect(lines()).toEqual(
    expect.arrayContaining([
      'workqueue_depth{name="a-controller"} 0',
      'workqueue_retries_total{name="a-controller"} 1',
      'workqueue_longest_running_processor_seconds{name="a-controller"} 0',
      'workqueue_queue_duration_seconds_bucket{name="a-controller",le="1"} 1',
      'workqueue_queue_duration_seconds_bucket{name="a-controller",le="10"} 2',
      'workqueue_work_duration_seconds_sum{name="a-controller"} 2',
      'workqueue_work_duration_seconds_count{name="a-controller"} 2',
    ]),
  );
  await queue.stop();
  expect(counts.depth).toBe(0);
});
