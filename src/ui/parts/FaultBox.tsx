// A fault where it belongs: what happened, what was found, what to do now, and the action that does it if
// there is one.
import type { ReactNode } from 'react';
import { describeFault } from '../../shared/describe-fault.ts';
import type { Fault } from '../../shared/fault.ts';
import { plainText } from '../../shared/plain-text.ts';
import { Button } from './Button.tsx';
import styles from './FaultBox.module.css';

interface FaultBoxProps {
  readonly fault: Fault;
  /** Takes it away, where it would otherwise stay until the next success. */
  readonly onClose?: () => void;
  readonly children?: ReactNode;
}

export function FaultBox({ fault, onClose, children }: FaultBoxProps) {
  const { title, detail, advice } = describeFault(fault);
  return (
    <div className={styles.box} role="alert" data-testid="fault" data-kind={fault.kind}>
      <p className={styles.title}>
        <bdi>{plainText(title, 300)}</bdi>
      </p>
      <p className={styles.detail}>
        <bdi>{plainText(detail, 1500)}</bdi>
      </p>
      <p>{advice}</p>
      {((children !== undefined && children !== false) || onClose !== undefined) && (
        <div className={styles.actions}>
          {children}
          {onClose !== undefined && (
            <Button
              variant="quiet"
              onClick={() => {
                onClose();
                // The button goes with the box.
                document.querySelector('main')?.focus({ preventScroll: true });
              }}
            >
              Close
            </Button>
          )}
        </div>
      )}
    </div>
  );
}
