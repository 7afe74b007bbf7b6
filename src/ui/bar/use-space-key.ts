// Space as pause and resume: only where the key means nothing else, and not while a dialog is open.
import { useEffect, useEffectEvent } from 'react';

const takesSpace =
  'input, select, textarea, button, summary, a, audio, video, [contenteditable], [tabindex="0"]';

export function useSpaceKey(enabled: boolean, action: () => void): void {
  const act = useEffectEvent(action);
  useEffect(() => {
    if (!enabled) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.code !== 'Space' || event.repeat || event.altKey || event.ctrlKey || event.metaKey) return;
      const { target } = event;
      if (target instanceof Element && target.closest(takesSpace) !== null) return;
      if (document.querySelector('dialog[open]') !== null) return;
      event.preventDefault();
      act();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [enabled]);
}
