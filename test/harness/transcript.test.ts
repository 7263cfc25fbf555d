import { describe, expect, test } from 'vitest';
import { formatTranscript, normalize, parseTranscript } from './transcript.ts';

const TEXT = `Pods, as people look at them.

$ kubectl get pods
NAME   READY
web    1/1

$! kubectl get pod nope
Error from server (NotFound): pods "nope" not found

$~ kubectl apply -f - <<EOF
> kind: Pod
> EOF
`;

describe('transcripts', () => {
  test('are read and written back the same', () => {
    const transcript = parseTranscript(TEXT);
    expect(transcript.steps.map((step) => step.mode)).toEqual(['ok', 'fail', 'until']);
    expect(transcript.steps[2]!.command).toBe('kubectl apply -f - <<EOF\nkind: Pod\nEOF');
    expect(formatTranscript(transcript)).toBe(TEXT);
  });

  test('what differs from run to run is a word, the rest stays', () => {
    const text =
      'NAME                    READY   STATUS    RESTARTS      AGE   IP\n' +
      'web-5d4f8c7b9d-x2v7k    1/1     Running   1 (5s ago)    10m   10.244.0.17';
    expect(normalize(text)).toBe(
      'NAME   READY   STATUS   RESTARTS   AGE   IP\nweb-<rs>-<pod>   1/1   Running   1 (<age> ago)   <age>   <pod-ip>',
    );
  });

  test('a wrong count is not smoothed over', () => {
    expect(normalize('web 1/3 3m')).toBe('web 1/3 <age>');
    expect(normalize('  cpu:     10m')).toBe('  cpu:   10m');
    expect(normalize('Replicas: 3 desired | 2 updated')).toBe('Replicas: 3 desired | 2 updated');
  });
});
