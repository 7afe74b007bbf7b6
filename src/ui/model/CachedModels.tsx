// What of the Hub is kept on this machine, with its size, and the way to be rid of it.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useHub } from '../../state/hub-store.ts';
import { useModel } from '../../state/model-store.ts';
import type { CachedModel } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { countText } from '../parts/words.ts';
import styles from './HubCard.module.css';

export function CachedModels() {
  const cached = useHub((state) => state.cached);
  if (cached.length === 0) return null;
  const total = cached.reduce((sum, { bytes }) => sum + bytes, 0);
  return (
    <details className={styles.account} data-testid="cached-models">
      <summary>
        On this machine: {countText(cached.length, 'model')}, {bytesInWords(total)}
      </summary>
      <ul className={styles.cached}>
        {cached.map((model) => (
          <Cached key={`${model.host}/${model.id}`} model={model} />
        ))}
      </ul>
    </details>
  );
}

function Cached({ model: { host, id, bytes, complete } }: { readonly model: CachedModel }) {
  const open = useModel(({ model }) => model?.hub?.id === id && model.hub.host === host);
  const busy = useHub((state) => state.opening !== null);
  const trainer = useTrainer();
  return (
    <li className={styles.row}>
      <span className={styles.id}>
        <bdi>{id}</bdi>
      </span>
      <span className={styles.soft}>
        {bytesInWords(bytes)}
        {host === 'huggingface.co' ? '' : ` from ${host}`}
        {complete ? '' : ', begun: opening it goes on'}
        {open ? ', open now' : ''}
      </span>
      <Button
        variant="quiet"
        disabled={open || busy}
        aria-label={`Delete ${id}`}
        onClick={() => void trainer.deleteCached(host, id)}
      >
        Delete
      </Button>
    </li>
  );
}
