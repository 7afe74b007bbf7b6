// The bar that is always there: the five places, what is loaded, what is happening, how far it is, how long
// still, and the action that comes next; the device and the theme beside the name.
import { plainText } from '../../shared/plain-text.ts';
import { isActive } from '../../state/controls.ts';
import { useData } from '../../state/data-store.ts';
import { useDevice } from '../../state/device-store.ts';
import { useForecast } from '../../state/forecast-store.ts';
import { useModel } from '../../state/model-store.ts';
import { progressOf, useQueue } from '../../state/queue-store.ts';
import { useRun } from '../../state/run-store.ts';
import { setTheme, useTheme, type Theme } from '../../state/theme-store.ts';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { Icon, type IconName } from '../parts/Icon.tsx';
import { aboutText, countText, durationText, wholeText } from '../parts/words.ts';
import { addressOf, places, useAskedAddress, type Place } from '../place.ts';
import { useControls } from '../use-controls.ts';
import styles from './Bar.module.css';
import { DeviceBadge } from './DeviceBadge.tsx';
import { RunControls } from './RunControls.tsx';
import { phaseWords, statusSentence, type Opening } from './status-sentence.ts';

const themes: readonly { readonly value: Theme; readonly label: string; readonly icon: IconName }[] = [
  { value: 'light', label: 'Light', icon: 'sun' },
  { value: 'system', label: 'As the system', icon: 'screen' },
  { value: 'dark', label: 'Dark', icon: 'moon' },
];

const placeIcons = {
  images: 'picture',
  model: 'chip',
  train: 'sprout',
  understand: 'eye',
  'take-home': 'download',
} as const satisfies Record<Place, IconName>;

export function Bar() {
  return (
    <header className={styles.bar}>
      <div className={styles.head}>
        <Name />
        <Places />
        <div className={styles.right}>
          <DeviceBadge />
          <Themes />
        </div>
      </div>
      <Now />
    </header>
  );
}

function Name() {
  return (
    <div className={styles.name}>
      <svg className={styles.mark} viewBox="0 0 32 32" width="30" height="30" aria-hidden="true">
        <path className={styles.trunk} d="M16 30V5" />
        <path className={styles.limb} d="M16 22c0-6 3-9 9-10M16 18c0-5-3-8-9-9" />
        <circle className={styles.leaf} cx="25.5" cy="11.6" r="3.2" />
        <circle className={styles.leaf} cx="6.6" cy="8.8" r="3.2" />
        <path className={styles.stub} d="M16 26.5l-4-2" />
      </svg>
      <div>
        <h1 className={styles.title}>Graft</h1>
        <p className={styles.tagline}>Teach a vision transformer your images, on this machine.</p>
      </div>
    </div>
  );
}

function Places() {
  const { place } = useAskedAddress();
  return (
    <nav className={styles.places} aria-label="Places">
      {places.map(({ id, title }) => (
        <a
          key={id}
          href={addressOf(id)}
          className={styles.place}
          aria-current={id === place ? 'page' : undefined}
        >
          <Icon name={placeIcons[id]} />
          <span>{title}</span>
        </a>
      ))}
    </nav>
  );
}

function Themes() {
  const theme = useTheme((state) => state.theme);
  return (
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
  );
}

function PhaseChip() {
  const phase = useRun((state) => state.phase);
  const diverged = useRun((state) => state.diverging !== null);
  return (
    <span
      className={styles.phase}
      data-testid="phase"
      data-phase={phase.kind}
      data-stage={'stage' in phase ? phase.stage : undefined}
      data-diverged={diverged || undefined}
    >
      {phaseWords[phase.kind]}
      {'stage' in phase ? `, stage ${phase.stage}` : ''}
      {diverged && phase.kind === 'finished' && ', diverged'}
    </span>
  );
}

/** What is being opened, or could not be, while what was open before still is. */
function useOpening(): Opening {
  const images = useData(({ status, fault, refused, data }) =>
    status === 'opening'
      ? 'opening'
      : fault !== null || refused !== null || (data !== null && data.fault !== null)
        ? 'refused'
        : null,
  );
  const model = useModel(({ status, fault, question }) =>
    status === 'opening' ? 'opening' : question !== null ? 'asks' : fault !== null ? 'refused' : null,
  );
  return { images, model };
}

function Now() {
  const phase = useRun((state) => state.phase);
  const pending = useRun((state) => state.pending);
  const summary = useRun((state) => state.summary);
  const drops = useRun((state) => state.drops);
  const diverging = useRun((state) => state.diverging);
  const isProbe = useRun(({ result }) => result?.keptStep === 0);
  const { whyNotStart } = useControls();
  const opening = useOpening();
  const isBetween = useQueue((state) => state.going) && pending === null && !isActive(phase);
  return (
    <div className={styles.now}>
      <div className={styles.what}>
        <PhaseChip />
        <Loaded />
        <p className={styles.status} role="status" aria-live="polite" data-testid="status">
          {isBetween
            ? 'The next run begins.'
            : statusSentence({ phase, pending, summary, drops, diverging, isProbe, whyNotStart, opening })}
        </p>
      </div>
      <HowFar />
      <RunControls />
    </div>
  );
}

function Loaded() {
  const model = useModel((state) => state.model?.title ?? null);
  const images = useData((state) => state.data?.title ?? null);
  return (
    <p className={styles.loaded}>
      {model !== null && (
        <a href={addressOf('model')} title="The model that is open" data-testid="model-title">
          <bdi>{plainText(model, 120)}</bdi>
        </a>
      )}
      {model !== null && images !== null && <span aria-hidden="true"> · </span>}
      {images !== null && (
        <a href={addressOf('images')} title="The images that are open" data-testid="data-title">
          <bdi>{plainText(images, 120)}</bdi>
        </a>
      )}
    </p>
  );
}

/** How far it is and how long still, in words and as a line. */
function HowFar() {
  const { share, words } = useHowFar();
  return (
    <div className={styles.far}>
      <p className={styles.farWords} data-testid="how-far">
        {words}
      </p>
      <progress
        className={styles.line}
        aria-label="How far it is"
        max={1}
        hidden={share === null}
        value={share ?? 0}
      />
    </div>
  );
}

interface HowFarWords {
  readonly share: number | null;
  readonly words: string;
}

/** Of several runs it is told how far all of them are. */
function useHowFar(): HowFarWords {
  const one = useHowFarOfOne();
  const state = useQueue((queue) => queue);
  // Before its first step, and between two runs, nothing is known of the one that comes.
  const left = useRun(({ phase, speed }) =>
    'step' in phase && isActive(phase) ? (speed?.secondsLeft ?? null) : null,
  );
  const foretold = useForecast(({ forecast }) => (forecast?.kind === 'known' ? forecast.seconds : null));
  const all = progressOf(state, left, foretold);
  if (all === null) return one;
  const { at, of, secondsLeft } = all;
  return {
    share: (at - 1 + (one.share ?? 0)) / of,
    words: `run ${at} of ${of}${secondsLeft === null ? '' : `, about ${aboutText(secondsLeft)} left of all`}`,
  };
}

function useHowFarOfOne(): HowFarWords {
  const phase = useRun((state) => state.phase);
  const left = useRun((state) => state.speed?.secondsLeft ?? null);
  const progress = useDevice((state) => state.progress);
  const forecast = useForecast((state) => state.forecast);
  const took = useRun((state) => state.result?.seconds ?? null);
  if (progress !== null && progress.total > 0) {
    const text = progress.unit === 'bytes' ? bytesInWords : wholeText;
    return {
      share: progress.done / progress.total,
      words: progress.total > 1 ? `${text(progress.done)} of ${text(progress.total)}` : '',
    };
  }
  switch (phase.kind) {
    case 'preparing':
      return {
        share: phase.share ?? null,
        words: phase.secondsLeft == null ? '' : `about ${aboutText(phase.secondsLeft)} until the first step`,
      };
    case 'training':
    case 'evaluating':
    case 'paused':
      return {
        share: phase.steps === 0 ? null : phase.step / phase.steps,
        words: `${wholeText(phase.step)} of ${countText(phase.steps, 'step')}${left === null || phase.kind === 'paused' ? '' : `, about ${durationText(left)} left`}`,
      };
    case 'idle':
      return {
        share: null,
        words: forecast?.kind === 'known' ? `takes about ${aboutText(forecast.seconds)}` : '',
      };
    case 'finished':
      return { share: null, words: took === null ? '' : `took ${durationText(took)}` };
    case 'failed':
      return { share: null, words: '' };
    default:
      return phase satisfies never;
  }
}
