// What is left of a part of the page when drawing it fails: the fault, and a way to draw it again. The run is in
// its worker and all that is known of it in the stores: neither is lost with the picture, and the other parts stay.
import { Component, type ReactNode } from 'react';
import { uncaughtFault } from '../shared/describe-fault.ts';
import { runStore } from '../state/run-store.ts';
import type { Fault } from '../worker/protocol.ts';
import { Button } from './parts/Button.tsx';
import { FaultBox } from './parts/FaultBox.tsx';
import { loadPartsAgain } from './parts/lazy-part.tsx';

interface GuardProps {
  /** Of the whole page there is nothing else left; without it a part, in whose place the fault stands. */
  readonly page?: boolean;
  readonly children: ReactNode;
}

interface GuardState {
  readonly fault: Fault | null;
}

export class CrashGuard extends Component<GuardProps, GuardState> {
  override state: GuardState = { fault: null };

  static getDerivedStateFromError(thrown: unknown): GuardState {
    return { fault: uncaughtFault(thrown) };
  }

  override render(): ReactNode {
    const { page = false, children } = this.props;
    const { fault } = this.state;
    if (fault === null) return children;
    const box = (
      <FaultBox fault={fault}>
        <Button onClick={() => this.#again()}>{page ? 'Show the page again' : 'Try again'}</Button>
      </FaultBox>
    );
    return page ? <main>{box}</main> : box;
  }

  /** The button that was pressed goes: the focus stays in the page. */
  #again(): void {
    document.querySelector('main')?.focus({ preventScroll: true });
    loadPartsAgain();
    this.setState({ fault: null });
  }
}

/** From now on, what nobody caught on this page is told beside the run. */
export function tellUncaught(target: Window): void {
  target.addEventListener('unhandledrejection', ({ reason }) =>
    runStore.setState({ fault: uncaughtFault(reason) }),
  );
  target.addEventListener('error', ({ error }) => {
    // Without an error it is a remark of the browser's: an observer that came too late, a resource.
    if (error != null) runStore.setState({ fault: uncaughtFault(error) });
  });
}
