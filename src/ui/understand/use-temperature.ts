// The temperature that fits the validation images of the run that ended, where they say anything of others.
import { useMemo } from 'react';
import { useRun } from '../../state/run-store.ts';
import { useUnderstanding } from '../../state/understand-store.ts';
import { fitTemperature } from '../../understand/calibration.ts';

/** Null until the validation images were asked, and where the result has learned from them. */
export function useTemperature(): ReturnType<typeof fitTemperature> {
  const validation = useUnderstanding((state) => state.answers.validation);
  const isLearned = useRun(({ result }) => result?.learnedValidation === true);
  return useMemo(
    () =>
      validation === undefined || isLearned
        ? null
        : fitTemperature({ ...validation, classes: validation.classes.length }),
    [validation, isLearned],
  );
}
