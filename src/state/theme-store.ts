// Light, dark, or as the system says: kept in a data attribute of the document and remembered in
// localStorage. Knows nothing else.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import { afterPaint } from './after-paint.ts';

export type Theme = 'system' | 'light' | 'dark';

const key = 'graft.theme';

function storedTheme(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

interface ThemeState {
  readonly theme: Theme;
  /** Counts changes of what is shown, the system's own included: canvases redraw on it. */
  readonly version: number;
}

export const themeStore = createStore<ThemeState>(() => ({ theme: 'system', version: 0 }));

function apply(): void {
  const { theme } = themeStore.getState();
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  themeStore.setState(({ version }) => ({ version: version + 1 }));
}

/** The choice is shown at once and the colours follow: every element is styled anew for them. */
export function setTheme(theme: Theme): void {
  themeStore.setState({ theme });
  afterPaint(() => {
    try {
      if (theme === 'system') localStorage.removeItem(key);
      else localStorage.setItem(key, theme);
    } catch {
      // Private windows may forbid it: the choice then lasts as long as the page.
    }
    apply();
  });
}

/** Applies the remembered theme, before anything is painted, and follows the system's. */
export function startTheme(): void {
  themeStore.setState({ theme: storedTheme() });
  apply();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
    themeStore.setState(({ version }) => ({ version: version + 1 })),
  );
}

export function useTheme<T>(selector: (state: ThemeState) => T): T {
  return useStore(themeStore, selector);
}
