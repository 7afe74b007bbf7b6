// What is left of the page when drawing it fails: the fault, and a way to draw it again. The run is in its
// worker and all that is known of it in the stores: neither is lost with the picture.
import { Component, type ReactNode } from 'react';
import { uncaughtFault } from '../shared/describe-fault.ts';
import { runStore } from '../state/run-store.ts';
import type { Fault } from '../worker/protocol.ts';
import { Button } from './parts/Button.tsx';
import { FaultBox } from './parts/FaultBox.tsx';

interface GuardState {
  readonly fault: Fault | null;
}

export class CrashGuard extends Component<{ readonly children: ReactNode }, GuardState> {
  override state: GuardState = { fault: null };

  static getDerivedStateFromError(thrown: unknown): GuardState {
    return { fault: uncaughtFault(thrown) };
  }

  override render(): ReactNode {
    const { fault } = this.state;
    if (fault === null) return this.props.children;
    return (
      <main>
        <FaultBox fault={fault}>
          <Button onClick={() => this.setState({ fault: null })}>Show the page again</Button>
        </FaultBox>
      </main>
    );
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
