// The head of the page: name, one line, what it runs on, and the theme.
import { setTheme, useTheme, type Theme } from '../../state/theme-store.ts';
import { Icon, type IconName } from '../parts/Icon.tsx';
import { DeviceBadge } from './DeviceBadge.tsx';
import styles from './Header.module.css';

const themes: readonly { readonly value: Theme; readonly label: string; readonly icon: IconName }[] = [
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'system', label: 'As the system', icon: 'screen' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

export function Header() {
  const theme = useTheme((state) => state.theme);
  return (
    <header className={styles.header}>
      <div className={styles.name}>
        <svg className={styles.mark} viewBox="0 0 32 32" width="34" height="34" aria-hidden="true">
          <path className={styles.trunk} d="M16 30V5" />
          <path className={styles.limb} d="M16 22c0-6 3-9 9-10M16 18c0-5-3-8-9-9" />
          <circle className={styles.leaf} cx="25.5" cy="11.6" r="3.2" />
          <circle className={styles.leaf} cx="6.6" cy="8.8" r="3.2" />
          <path className={styles.stub} d="M16 26.5l-4-2" />
        </svg>
        <div>
          <h1 className={styles.title}>Graft</h1>
          <p className={styles.line}>Teach a vision transformer your images, on this machine.</p>
        </div>
      </div>
      <div className={styles.right}>
        <DeviceBadge />
        <fieldset className={styles.themes}>
          <legend className={styles.legend}>Colours</legend>
          {themes.map(({ value, label, icon }) => (
            <label key={value} className={styles.theme} title={label}>
              <input
                type="radio"
                name="theme"
                aria-label={label}
                checked={theme === value}
                onChange={() => setTheme(value)}
              />
              <span>
                <Icon name={icon} />
              </span>
            </label>
          ))}
        </fieldset>
      </div>
    </header>
  );
}
