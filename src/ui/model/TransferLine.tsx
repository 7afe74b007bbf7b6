// A download or upload on its way: how far it is, and the way to stop it.
import { useTrainer } from '../trainer-context.ts';
import { Button } from '../parts/Button.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import styles from './HubCard.module.css';

export function TransferLine({ fallback }: { readonly fallback: string }) {
  const trainer = useTrainer();
  return (
    <div className={styles.transfer}>
      <div className={styles.line}>
        <ProgressLine fallback={fallback} />
      </div>
      <Button icon="stop" onClick={() => void trainer.cancelTransfer()}>
        Stop
      </Button>
    </div>
  );
}
