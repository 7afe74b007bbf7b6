// A titled part of the page: a region that can be found by its heading.
import { useId, type ReactNode } from 'react';
import styles from './Card.module.css';
import { cx } from './cx.ts';

interface CardProps {
  readonly title: string;
  /** Small words beside the title. */
  readonly aside?: ReactNode;
  readonly className?: string | undefined;
  /** To link to. */
  readonly id?: string;
  readonly children: ReactNode;
}

export function Card({ title, aside, className, id, children }: CardProps) {
  const titleId = useId();
  return (
    <section id={id} className={cx(styles.card, className)} aria-labelledby={titleId}>
      <header className={styles.head}>
        <h2 id={titleId} className={styles.title}>
          {title}
        </h2>
        {aside !== undefined && <div className={styles.aside}>{aside}</div>}
      </header>
      {children}
    </section>
  );
}
