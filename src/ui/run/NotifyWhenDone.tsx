// For people who are elsewhere while a run goes on: how far it is in the tab's title, and, if they ask for it by
// a click, a notification when it has ended and the page is out of sight.
import { useEffect } from 'react';
import { useStore } from 'zustand';
import { createStore } from 'zustand/vanilla';
import { learnedValidation } from '../../recipe/recipe.ts';
import { isActive } from '../../state/controls.ts';
import { useQueue } from '../../state/queue-store.ts';
import { runStore, useRun } from '../../state/run-store.ts';
import { accuracyWords } from '../../understand/interval.ts';
import type { Phase } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { recallText } from '../parts/words.ts';
import { phaseWords } from '../bar/status-sentence.ts';
import styles from './RunCard.module.css';

const name = 'Graft';

/** "42 % Training – Graft": what is read in a narrow tab comes first. */
function tabTitle(phase: Phase): string {
  const words = phaseWords[phase.kind];
  switch (phase.kind) {
    case 'idle':
      return name;
    case 'training':
    case 'evaluating':
    case 'paused':
      return `${Math.floor((100 * phase.step) / Math.max(1, phase.steps))} % ${words} – ${name}`;
    case 'preparing':
    case 'finished':
    case 'failed':
      return `${words} – ${name}`;
    default:
      return phase satisfies never;
  }
}

/** Says that the run has ended; a browser that shows no notifications from pages says nothing. */
function notify(): void {
  const { phase, evaluations, summary } = runStore.getState();
  const last = evaluations.at(-1);
  const body =
    last === undefined || summary === null
      ? ''
      : `${accuracyWords(last.validation.accuracy, summary.validationImages, 'validation images', learnedValidation(summary.recipe, last.step))}${recallText(last.validation)}.`;
  try {
    const shown = new Notification(`${name}: ${phaseWords[phase.kind].toLowerCase()}`, {
      body,
      tag: 'graft-run',
    });
    shown.onclick = () => window.focus();
  } catch {
    // Some browsers, on phones, have notifications for service workers alone.
  }
}

interface Wish {
  /** What the browser answered when it was asked; null before. */
  readonly answer: NotificationPermission | null;
}
const wishStore = createStore<Wish>(() => ({ answer: null }));

/** Keeps the tab's title true and tells of the end; for a component that is always there. */
export function useTidings(): void {
  const title = useRun((state) => tabTitle(state.phase));
  const isOver = useRun(({ phase: { kind } }) => kind === 'finished' || kind === 'failed');
  // Of several runs the end of the last one is told.
  const ended = !useQueue((state) => state.going) && isOver;
  useEffect(() => {
    document.title = title;
  }, [title]);
  useEffect(() => {
    const { answer } = wishStore.getState();
    if (ended && answer === 'granted' && document.visibilityState === 'hidden') notify();
  }, [ended]);
}

export function NotifyWhenDone() {
  const active = useRun((state) => isActive(state.phase));
  const answer = useStore(wishStore, (wish) => wish.answer);
  if (!active || typeof Notification === 'undefined') return null;
  if (answer === 'granted') return <p className={styles.soft}>You will be told when it has ended.</p>;
  if (answer === 'denied')
    return <p className={styles.soft}>The browser does not allow notifications here.</p>;
  return (
    <Button
      variant="quiet"
      onClick={() => {
        void Notification.requestPermission().then((given) => wishStore.setState({ answer: given }));
      }}
    >
      Tell me when it has ended
    </Button>
  );
}
