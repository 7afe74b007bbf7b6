// Checkpoints worth a try, each with its size, its licence, how much work it is and what it is good for.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useHub } from '../../state/hub-store.ts';
import { useModel } from '../../state/model-store.ts';
import type { SuggestedModel } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { Button } from '../parts/Button.tsx';
import { parametersText } from '../parts/words.ts';
import styles from './HubCard.module.css';

/** "quick", from the operations of a step in multiples of the embedded model's. */
function speedText(work: number): string {
  const times = work < 9.5 ? work.toFixed(0) : String(Math.round(work / 5) * 5);
  const speed = work < 10 ? 'quick' : work < 45 ? 'moderate' : 'slow';
  return `${speed}: ${times} times the work of the model that ships`;
}

export function SuggestedModels() {
  const suggested = useHub((state) => state.suggested);
  return (
    <ul className={styles.suggested} aria-label="Suggested models">
      {suggested.map((model) => (
        <Suggestion key={model.id} model={model} />
      ))}
    </ul>
  );
}

function Suggestion({ model }: { readonly model: SuggestedModel }) {
  const { id, title, parameters, bytes, licence, imageSize, work, goodFor } = model;
  const opening = useHub((state) => state.opening);
  const kept = useHub((state) =>
    state.cached.some((cached) => cached.folder === 'models' && cached.id === id && cached.complete),
  );
  const open = useModel((state) => state.model?.hub?.id === id);
  const { edit } = useControls();
  const trainer = useTrainer();
  const action = kept ? 'Open' : 'Download and open';
  return (
    <li className={styles.suggestion}>
      <h3 className={styles.title}>{title}</h3>
      <p>{goodFor}</p>
      <p className={styles.soft}>
        {[
          `${parametersText(parameters)} parameters`,
          bytesInWords(bytes),
          `${imageSize} px`,
          licence,
          speedText(work),
        ].map((fact) => (
          <span key={fact} className={styles.fact}>
            {fact}
          </span>
        ))}
      </p>
      <div className={styles.row}>
        <Button
          icon={kept ? 'file' : 'download'}
          disabled={!edit || opening !== null || open}
          aria-label={open ? `${title} is open` : `${action} ${title}`}
          onClick={() => void trainer.openHubModel(id)}
        >
          {open ? 'is open' : action}
        </Button>
        <a
          href={`https://huggingface.co/${id}`}
          target="_blank"
          rel="noreferrer"
          aria-label={`Page of ${title}`}
        >
          Page
        </a>
        {kept && <span className={styles.soft}>on this machine</span>}
      </div>
    </li>
  );
}
