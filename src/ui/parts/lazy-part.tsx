// A part of the page that is loaded when it is drawn first. One that did not come is a fault like any other, and
// is asked for anew when somebody says so: React's own `lazy` keeps the failure for good.
import { lazy, type ComponentType, type LazyExoticComponent } from 'react';
import { FaultError } from '../../shared/describe-fault.ts';

/** Forgets the failure of each part that did not come. */
const failed = new Set<() => void>();

/** Lets the parts that did not come be loaded again, when they are drawn next. */
export function loadPartsAgain(): void {
  for (const forget of failed) forget();
  failed.clear();
}

/**
 * A component whose module is loaded when it is drawn; it suspends meanwhile, and throws a FaultError if it
 * fails.
 */
export function lazyPart(load: () => Promise<{ readonly default: ComponentType }>): ComponentType {
  let Content: LazyExoticComponent<ComponentType> | null = null;
  const loading = async (): Promise<{ default: ComponentType }> => {
    try {
      return { default: (await load()).default };
    } catch (thrown) {
      failed.add(() => {
        Content = null;
      });
      const detail = thrown instanceof Error ? thrown.message : String(thrown);
      throw new FaultError({ kind: 'part-missing', detail });
    }
  };
  return function Part() {
    Content ??= lazy(loading);
    return <Content />;
  };
}
