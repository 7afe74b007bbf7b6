// For private or gated models a token, for another Hub its address: both optional, the token held in memory
// only.
import { useEffect, useId, useRef } from 'react';
import { setHubAddress, setToken, useHub } from '../../state/hub-store.ts';
import styles from './HubCard.module.css';

export function HubAccount() {
  const id = useId();
  const address = useHub((state) => state.address);
  const host = hostText(address);
  return (
    <details className={styles.account}>
      <summary>Access token and mirror</summary>
      <div className={styles.fields}>
        <TokenField />
        <div className={styles.field}>
          <label htmlFor={id} className={styles.label}>
            Address of a mirror
          </label>
          <input
            id={id}
            className={styles.input}
            value={address}
            placeholder="https://huggingface.co"
            autoComplete="off"
            inputMode="url"
            spellCheck={false}
            data-testid="hub-address"
            aria-describedby={`${id}-help`}
            onChange={({ currentTarget }) => setHubAddress(currentTarget.value)}
          />
          <p id={`${id}-help`} className={styles.soft}>
            {host === null
              ? 'Empty is huggingface.co. Another host must also be allowed by this page: start Graft with GRAFT_HUB set to its address.'
              : `Models and the token go to ${host}. The page must allow it: start Graft with GRAFT_HUB set to this address.`}
          </p>
        </div>
      </div>
    </details>
  );
}

/**
 * The user's token; a password field that no manager should keep. React would write its value into the page's
 * HTML, for everything that reads or saves that: the field holds it alone.
 */
export function TokenField() {
  const id = useId();
  const token = useHub((state) => state.token);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (field.current !== null && field.current.value !== token) field.current.value = token;
  }, [token]);
  const host = hostText(useHub((state) => state.address)) ?? 'huggingface.co';
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        Access token
      </label>
      <input
        id={id}
        className={styles.input}
        ref={field}
        type="password"
        placeholder="hf_…"
        autoComplete="off"
        spellCheck={false}
        data-testid="hub-token"
        aria-describedby={`${id}-help`}
        onChange={({ currentTarget }) => setToken(currentTarget.value)}
      />
      <p id={`${id}-help`} className={styles.soft}>
        Held in memory until this page is closed, never stored, and sent to {host} only.
      </p>
    </div>
  );
}

/** null for huggingface.co, and while the address is no address yet. */
function hostText(address: string): string | null {
  return URL.canParse(address.trim()) ? new URL(address.trim()).host : null;
}
