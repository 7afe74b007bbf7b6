// The question which of several models is meant, where files hold more than one: a button for each, with what
// tells it from the others. What was open stays open until one is chosen.
import type { ModelQuestion } from '../../state/model-store.ts';
import { Button } from '../parts/Button.tsx';
import { useTrainer } from '../trainer-context.ts';
import styles from './ModelCard.module.css';

export function ModelChoice({ question, disabled }: { question: ModelQuestion; disabled: boolean }) {
  const trainer = useTrainer();
  const { title, fault } = question;
  return (
    <div className={styles.question} role="group" aria-labelledby="which-model" data-testid="which-model">
      <div role="alert">
        <p className={styles.ask} id="which-model">
          Which model do you mean?
        </p>
        <p>
          <bdi>{`In ${title}, ${fault.detail}. They are not mixed: all files are taken from the one that you choose.`}</bdi>
        </p>
      </div>
      <ul className={styles.choices}>
        {fault.choices.map((choice) => (
          <li key={choice.path}>
            <Button
              className={styles.choice}
              disabled={disabled}
              onClick={() => void trainer.chooseWeights(choice.path)}
            >
              <bdi>{choice.title}</bdi>
              <span className={styles.about}>{choice.about}</span>
            </Button>
          </li>
        ))}
      </ul>
      <Button variant="quiet" onClick={() => void trainer.chooseWeights(null)}>
        None of them
      </Button>
    </div>
  );
}
