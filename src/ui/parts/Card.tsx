// A titled part of the page: a region that can be found by its heading.
import { useId, type ReactNode, type Ref } from 'react';
import styles from './Card.module.css';
import { cx } from './cx.ts';

interface CardProps {
  readonly title: string;
  /** Small words beside the title. */
  readonly aside?: ReactNode;
  readonly className?: string | undefined;
  /** To link to. */
  readonly id?: string;
  /** The whole card, for whoever listens to it. */
  readonly ref?: Ref<HTMLElement>;
  /** Takes what is dropped on it or pasted into it (drop/dropped-files.ts). */
  readonly takesFiles?: boolean;
  readonly children: ReactNode;
}

export function Card({ title, aside, className, id, ref, takesFiles = false, children }: CardProps) {
  const titleId = useId();
  return (
    <section
      id={id}
      ref={ref}
      className={cx(styles.card, className)}
      aria-labelledby={titleId}
      data-takes-files={takesFiles ? true : undefined}
    >
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
