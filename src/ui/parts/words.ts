// Numbers, times and names as people read them. Pure; one place, so that the whole page counts alike.

const grouped = new Intl.NumberFormat('en');

export function wholeText(value: number): string {
  return grouped.format(Math.round(value));
}

/** A rate: one digit after the point while it is small. */
export function countOfText(value: number): string {
  return value < 10 ? value.toFixed(1) : wholeText(value);
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${wholeText(count)} ${count === 1 ? one : many}`;
}

/** 5,717,416 -> "5.7 M". */
export function parametersText(parameters: number): string {
  if (parameters >= 1e6) return `${(parameters / 1e6).toFixed(parameters >= 1e8 ? 0 : 1)} M`;
  return parameters >= 1e3 ? `${Math.round(parameters / 1e3)} k` : String(parameters);
}

export function percentText(share: number, digits = 1): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits)}\u00a0%` : '–';
}

/** ", mean recall 62.5 %", by which a run decides that counts all classes alike; nothing for any other. */
export function recallText({ recall }: { readonly recall?: number | undefined }): string {
  return recall === undefined ? '' : `, mean recall ${percentText(recall)}`;
}

export function lossText(loss: number): string {
  if (!Number.isFinite(loss)) return '–';
  return loss !== 0 && Math.abs(loss) < 0.01 ? loss.toExponential(1) : loss.toFixed(3);
}

/** The difference of two losses with its sign: one that is not zero is not shown as zero. */
export const lossChangeText = (change: number): string =>
  change !== 0 && Math.abs(change) < 0.0005
    ? `${change > 0 ? '+' : '−'}${Math.abs(change).toExponential(1)}`
    : signedText(change, 3);

/** With its sign, for differences. */
export function signedText(value: number, digits: number): string {
  return `${value > 0 ? '+' : value < 0 ? '−' : '±'}${Math.abs(value).toFixed(digits)}`;
}

export function rateText(rate: number): string {
  if (rate === 0) return '0';
  return rate < 0.001 || rate >= 1000 ? rate.toExponential(1) : String(Number(rate.toPrecision(3)));
}

export function durationText(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A time that is not known exactly, in whole seconds or minutes. */
export function aboutText(seconds: number): string {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : durationText(seconds);
}

const linearWords = new Map([
  ['q', 'query'],
  ['k', 'key'],
  ['v', 'value'],
  ['proj', 'projection'],
  ['fc1', 'MLP in'],
  ['fc2', 'MLP out'],
]);

export interface ModuleName {
  readonly block: number;
  readonly linear: string;
  /** "query" */
  readonly words: string;
}

/** "blocks.3.q" -> block 3, query. */
export function moduleName(module: string): ModuleName {
  const [, block = '0', linear = module] = module.split('.');
  return { block: Number(block), linear, words: linearWords.get(linear) ?? linear };
}

export function moduleText(module: string): string {
  const { block, words } = moduleName(module);
  return `Block ${block}, ${words}`;
}

/**
 * Passes over the images as a number. Steps are whole: where some are nearer to whole passes than half a step,
 * these were meant.
 */
export function epochsText(steps: number, stepsPerEpoch: number): string {
  const epochs = steps / stepsPerEpoch;
  const whole = Math.round(epochs);
  const isMeant = whole > 0 && Math.abs(epochs - whole) < Math.min(0.5, 0.5 / stepsPerEpoch);
  return isMeant ? String(whole) : epochs.toFixed(1);
}
