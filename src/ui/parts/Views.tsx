// The views of a place as links side by side: each has its address.
import { addressOf, useAskedAddress, type Place } from '../place.ts';
import styles from './Views.module.css';

interface ViewsProps {
  readonly label: string;
  readonly place: Place;
  readonly views: readonly { readonly id: string; readonly title: string }[];
  /** Id of the one that is shown. */
  readonly wanted: string;
}

export function Views({ label, place, views, wanted }: ViewsProps) {
  const asked = useAskedAddress();
  const current = views.find(({ id }) => asked.place === place && id === asked.view)?.id ?? wanted;
  return (
    <nav className={styles.views} aria-label={label}>
      {views.map(({ id, title }) => (
        <a
          key={id}
          href={addressOf(place, id)}
          className={styles.view}
          aria-current={id === current ? 'page' : undefined}
        >
          {title}
        </a>
      ))}
    </nav>
  );
}
