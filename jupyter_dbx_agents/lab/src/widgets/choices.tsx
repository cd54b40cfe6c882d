/** Controls that show what was chosen until the server has replied, and take no other choice meanwhile. */

import * as React from 'react';

/** What was shown when another value was chosen, and that value. */
interface Pending<T> {
  from: T;
  to: T;
}

/**
 * Return what a control shows, whether it waits, and what takes a choice.
 *
 * `choose` resolves when the status has the choice, or when its failure was said: then the value is
 * what it was.  A control that waits is disabled and loses the focus, which it gets back.
 */
function useChoice<T, E extends HTMLElement>(value: T, choose: (value: T) => Promise<unknown>) {
  const [pending, setPending] = React.useState<Pending<T> | null>(null);
  const control = React.useRef<E>(null);
  const hadFocus = React.useRef(false);
  React.useEffect(() => {
    if (!pending && hadFocus.current) {
      hadFocus.current = false;
      if (document.activeElement === document.body) {
        control.current?.focus();
      }
    }
  }, [pending]);
  const take = (to: T): void => {
    hadFocus.current = document.activeElement === control.current;
    setPending({ from: value, to });
    void choose(to).finally(() => setPending(null));
  };
  // An event may bring the new value before the reply.
  const shown = pending?.from === value ? pending.to : value;
  return { shown, isWaiting: pending !== null, control, take };
}

/** A list to choose from. */
export function Select(props: {
  name: string;
  title?: string;
  value: string;
  choose: (value: string) => Promise<unknown>;
  children: React.ReactNode;
}): React.ReactElement {
  const { shown, isWaiting, control, take } = useChoice<string, HTMLSelectElement>(
    props.value,
    props.choose
  );
  return (
    <select
      ref={control}
      className="jp-mod-styled"
      aria-label={props.name}
      title={props.title}
      value={shown}
      disabled={isWaiting}
      onChange={event => take(event.target.value)}
    >
      {props.children}
    </select>
  );
}

/** A check box that switches something on or off. */
export function Switch(props: {
  name: string;
  title?: string;
  isOn: boolean;
  choose: (isOn: boolean) => Promise<unknown>;
}): React.ReactElement {
  const { shown, isWaiting, control, take } = useChoice<boolean, HTMLInputElement>(
    props.isOn,
    props.choose
  );
  return (
    <input
      ref={control}
      type="checkbox"
      aria-label={props.name}
      title={props.title}
      checked={shown}
      disabled={isWaiting}
      onChange={event => take(event.target.checked)}
    />
  );
}
