import { expect, test } from 'vitest';
import { parseStore, storeText } from './store-choice.ts';

test.each(['sqlite', 'etcd', 'etcd://127.0.0.1:2379', 'etcd://etcd-1.example:2379,[fd00::2]:2379'])(
  '--store %s is read and written again',
  (text) => {
    expect(storeText(parseStore(text)!)).toBe(text);
  },
);

test.each(['', 'postgres', 'etcd://', 'etcd://:2379', 'etcd://host', 'etcd://a:1,', 'etcd://a:99999'])(
  '--store "%s" is refused',
  (text) => {
    expect(parseStore(text)).toBeUndefined();
  },
);
