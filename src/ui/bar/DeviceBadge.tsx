// Which device computes, as a badge, and the sentence that goes with a slow one.
import { useDevice } from '../../state/device-store.ts';
import { useRecipe } from '../../state/recipe-store.ts';
import { useRun } from '../../state/run-store.ts';
import { Icon } from '../parts/Icon.tsx';
import { deviceWords, type DeviceWords } from './device-words.ts';
import styles from './Bar.module.css';

function useDeviceWords(): DeviceWords {
  const engine = useRun((state) => state.summary?.engine ?? null);
  const hello = useDevice((state) => state.hello);
  const backend = useRecipe((state) => state.backend);
  return deviceWords(engine, hello, backend);
}

export function DeviceBadge() {
  const { backend, text, detail, variant } = useDeviceWords();
  return (
    <p
      className={styles.badge}
      data-testid="device-badge"
      data-backend={backend}
      title={detail === '' ? text : `${text}; ${detail}`}
    >
      <i className={styles[variant]}>
        <Icon name="chip" />
      </i>
      <span>{text}</span>
    </p>
  );
}

export function DeviceNotice() {
  const { notice } = useDeviceWords();
  if (notice === null) return null;
  return (
    <p className={styles.notice} data-testid="device-notice">
      {notice}
    </p>
  );
}
