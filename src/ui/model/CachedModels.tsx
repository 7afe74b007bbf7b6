// What of the Hub is kept on this machine, with its size, and the way to be rid of it.
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useHub } from '../../state/hub-store.ts';
import { useModel } from '../../state/model-store.ts';
import type { CachedRepository } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { countText } from '../parts/words.ts';
import styles from './HubCard.module.css';

const nouns = { models: 'model', datasets: 'data set' } as const;

export function CachedModels({ folder }: Pick<CachedRepository, 'folder'>) {
  const all = useHub((state) => state.cached);
  const cached = all.filter((one) => one.folder === folder);
  if (cached.length === 0) return null;
  const total = cached.reduce((sum, { bytes }) => sum + bytes, 0);
  return (
    <details className={styles.account} data-testid={`cached-${folder}`}>
      <summary>
        On this machine: {countText(cached.length, nouns[folder])}, {bytesInWords(total)}
      </summary>
      <ul className={styles.cached}>
        {cached.map((model) => (
          <Cached key={`${model.host}/${model.id}`} model={model} />
        ))}
      </ul>
    </details>
  );
}

function Cached({ model: { folder, host, id, bytes, complete } }: { readonly model: CachedRepository }) {
  const open = useModel(
    ({ model }) => folder === 'models' && model?.hub?.id === id && model.hub.host === host,
  );
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
        onClick={() => void trainer.deleteCached({ folder, host, id })}
      >
        Delete
      </Button>
    </li>
  );
}
