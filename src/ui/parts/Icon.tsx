// The few icons of the page as paths on a 16 x 16 grid; always beside words, so they are hidden from readers.
import styles from './Icon.module.css';

const paths = {
  play: 'M4.5 2.8v10.4L13 8z',
  pause: 'M4 3h3v10H4zM9 3h3v10H9z',
  step: 'M3 2.8v10.4L10 8zM11 3h2.2v10H11z',
  stop: 'M3.5 3.5h9v9h-9z',
  folder: 'M1.5 3.5h5l1.5 2h6.5v7.5h-13z',
  file: 'M3.5 1.5h6l3 3v10h-9zM9 2v3.2h3.2',
  download: 'M8 1.5v8m0 0L4.8 6.3M8 9.5l3.2-3.2M2 11v3h12v-3',
  lock: 'M4 7h8v6.5H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M3 13l1.2-1.2M11.8 4.2 13 3',
  moon: 'M13 9.8A5.8 5.8 0 0 1 6.2 3a5.4 5.4 0 1 0 6.8 6.8z',
  screen: 'M1.5 3h13v8.5h-13zM5.5 14h5M8 11.5V14',
  merge: 'M3 1.5V5c0 3 5 3 5 6v3.5M13 1.5V5c0 3-5 3-5 6',
  picture: 'M1.5 2.5h13v11h-13zM1.5 11l3.5-4 3 3 2-2 4.5 4M10.4 5.2a1 1 0 1 0 .01 0',
  sprout:
    'M8 14.5V6M8 9c0-3 1.6-4.6 5-5 0 3.4-1.8 5-5 5zM8 7.5C8 5 6.6 3.4 3.4 3c0 3 1.6 4.5 4.6 4.5M4.5 14.5h7',
  eye: 'M1 8c2-3.3 4.3-5 7-5s5 1.7 7 5c-2 3.3-4.3 5-7 5s-5-1.7-7-5zM8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4',
  chip: 'M4.5 4.5h7v7h-7zM6.5 1.5v3M9.5 1.5v3M6.5 11.5v3M9.5 11.5v3M1.5 6.5h3M1.5 9.5h3M11.5 6.5h3M11.5 9.5h3',
} as const;
const filled = new Set<IconName>(['play', 'pause', 'step', 'stop']);

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg
      className={filled.has(name) ? styles.filled : styles.outlined}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}
