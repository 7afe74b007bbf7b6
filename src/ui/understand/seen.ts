// What the views of one part of the split share: the answers as they came, and what understand/ makes of them.
import { plainText } from '../../shared/plain-text.ts';
import type { Answers, Asked } from '../../understand/answers.ts';
import type { ClassFigures, Confusion } from '../../understand/confusion.ts';
import type { SetAnswers } from '../../worker/protocol.ts';

export interface Seen {
  readonly answers: SetAnswers;
  readonly asked: Asked;
  readonly given: Answers;
  readonly confusion: Confusion;
  readonly figures: readonly ClassFigures[]; // [class]
}

/** A class as the user named it. */
export const className = ({ answers: { classes } }: Seen, id: number): string =>
  plainText(classes[id] ?? '', 80);
