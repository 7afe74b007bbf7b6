// Light, dark, or as the system says: kept in a data attribute of the document and remembered in
// localStorage. Knows nothing else.
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';

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

const themeStore = createStore<ThemeState>(() => ({ theme: 'system', version: 0 }));

export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  try {
    if (theme === 'system') localStorage.removeItem(key);
    else localStorage.setItem(key, theme);
  } catch {
    // Private windows may forbid it: the choice then lasts as long as the page.
  }
  themeStore.setState(({ version }) => ({ theme, version: version + 1 }));
}

/** Applies the remembered theme and follows the system's. */
export function startTheme(): void {
  setTheme(storedTheme());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
    themeStore.setState(({ version }) => ({ version: version + 1 })),
  );
}

export function useTheme<T>(selector: (state: ThemeState) => T): T {
  return useStore(themeStore, selector);
}
