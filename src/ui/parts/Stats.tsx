// Small numbers with their names, as a description list.
import type { ReactNode } from 'react';
import styles from './Stats.module.css';

export interface Stat {
  readonly name: string;
  readonly value: ReactNode;
  readonly testId?: string;
}

export function Stats({ stats }: { readonly stats: readonly Stat[] }) {
  return (
    <dl className={styles.stats}>
      {stats.map(({ name, value, testId }) => (
        <div key={name} className={styles.stat}>
          <dt>{name}</dt>
          <dd data-testid={testId}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
