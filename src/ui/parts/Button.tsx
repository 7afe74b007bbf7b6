// A button with words and, if wanted, an icon. Plain by default; one primary action a card.
import type { ComponentProps, MouseEvent } from 'react';
import styles from './Button.module.css';
import { cx } from './cx.ts';
import { Icon, type IconName } from './Icon.tsx';

interface ButtonProps extends ComponentProps<'button'> {
  readonly variant?: 'plain' | 'primary' | 'quiet';
  readonly icon?: IconName;
  /** Does nothing for now and says so, but keeps the focus: a disabled button loses it. */
  readonly held?: boolean;
}

export function Button({ variant = 'plain', icon, held = false, className, children, ...rest }: ButtonProps) {
  const whileHeld = {
    'aria-disabled': true,
    onClick: (event: MouseEvent) => event.preventDefault(),
  } as const;
  return (
    <button
      type="button"
      className={cx(styles.button, styles[variant], className)}
      {...rest}
      {...(held ? whileHeld : {})}
    >
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}
