// How the files were read: one sentence, and where they could be read otherwise, the choice. Choosing reads
// the same files again; nothing need be dropped twice.
import { useId } from 'react';
import type { DataSummary, ReadingChoice } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './ImagesCard.module.css';

interface ReadingProps {
  readonly data: DataSummary;
  /** Whether these images are open, or were refused while others stay open. */
  readonly which: 'open' | 'refused';
  readonly disabled: boolean;
}

function Choice({
  choice,
  which,
  disabled,
}: Omit<ReadingProps, 'data'> & { readonly choice: ReadingChoice }) {
  const name = useId();
  const trainer = useTrainer();
  const { option, label, value, offered } = choice;
  if (offered.length > 4) {
    return (
      <label className={styles.readingSelect} data-testid={`reading-${option}`}>
        <span>{label}</span>
        <select
          value={value}
          disabled={disabled}
          onChange={({ currentTarget }) => void trainer.reread(which, { [option]: currentTarget.value })}
        >
          {offered.map((one) => (
            <option key={one.value} value={one.value}>
              {one.words}
            </option>
          ))}
        </select>
      </label>
    );
  }
  return (
    <fieldset className={styles.reading} disabled={disabled} data-testid={`reading-${option}`}>
      <legend>{label}</legend>
      {offered.map((one) => (
        <label key={one.value}>
          <input
            type="radio"
            name={name}
            checked={one.value === value}
            onChange={() => void trainer.reread(which, { [option]: one.value })}
          />
          <bdi>{one.words}</bdi>
        </label>
      ))}
    </fieldset>
  );
}

export function ReadingNote({ data: { classes, reading }, which, disabled }: ReadingProps) {
  return (
    <>
      {classes.length > 0 && (
        <p className={styles.soft} data-testid="reading">
          <bdi>{reading.sentence}</bdi>
        </p>
      )}
      {classes.length > 1 && reading.numbering !== undefined && (
        <p className={styles.soft} data-testid="numbering">
          {reading.numbering}
        </p>
      )}
      {reading.choices.map((choice) => (
        <Choice key={choice.option} choice={choice} which={which} disabled={disabled} />
      ))}
    </>
  );
}
