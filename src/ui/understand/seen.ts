// What the views of one part of the split share: the answers as they came, and what understand/ makes of them.
import { plainText } from '../../shared/plain-text.ts';
import { answersOf, type Answers, type Asked } from '../../understand/answers.ts';
import { classFigures, confusionOf, type ClassFigures, type Confusion } from '../../understand/confusion.ts';
import type { SetAnswers } from '../../worker/protocol.ts';

export interface Seen {
  readonly answers: SetAnswers;
  readonly asked: Asked;
  readonly given: Answers;
  readonly confusion: Confusion;
  readonly figures: readonly ClassFigures[]; // [class]
}

export function seenOf(answers: SetAnswers): Seen {
  const asked = { classes: answers.classes.length, logits: answers.logits, labels: answers.labels };
  const given = answersOf(asked);
  const confusion = confusionOf(asked.classes, asked.labels, given.answer);
  const figures = answers.classes.map((_, id) => classFigures(confusion, id));
  return { answers, asked, given, confusion, figures };
}

/** A class as the user named it. */
export const className = ({ answers: { classes } }: Seen, id: number): string =>
  plainText(classes[id] ?? '', 80);
