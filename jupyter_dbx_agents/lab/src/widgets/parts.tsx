/** The small parts that sections of the panel are made of. */

import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { Remark } from '../status/model';
import { chartPoints } from '../text';

const CHART = { width: 48, height: 14 };
const TICK_MILLISECONDS = 1000;
const SAID_MILLISECONDS = 4000;

/** A heading with its content. */
export function Section(props: { title: string; children: React.ReactNode }): React.ReactElement {
  const id = React.useId();
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </section>
  );
}

/** Return the words for the known states, by their colours. */
function knownStates(trans: TranslationBundle): Record<string, Record<string, string>> {
  return {
    good: {
      active: trans.__('active'),
      done: trans.__('done'),
      ready: trans.__('ready'),
      synced: trans.__('synced'),
      working: trans.__('working')
    },
    warning: {
      adopting: trans.__('checking'),
      permission: trans.__('asks for permission'),
      question: trans.__('asks a question'),
      retrying: trans.__('retrying'),
      running: trans.__('running'),
      syncing: trans.__('syncing'),
      uncommitted: trans.__('not committed'),
      unsafe: trans.__('not safe'),
      waiting: trans.__('waiting')
    },
    bad: {
      expired: trans.__('expired'),
      failed: trans.__('failed'),
      needed: trans.__('not connected'),
      refused: trans.__('refused')
    },
    none: {
      empty: trans.__('empty'),
      gone: trans.__('deleted'),
      missing: trans.__('not there'),
      off: trans.__('off'),
      unknown: trans.__('not asked yet'),
      idle: trans.__('idle'),
      pending: trans.__('pending'),
      unfit: trans.__('not synced')
    }
  };
}

/** A coloured dot, and a text or the state's word; an unknown state is shown as it is, in grey. */
export function State(props: {
  state: string;
  text?: string | undefined;
  /** For how long it has been so. */
  age?: string;
  trans: TranslationBundle;
}): React.ReactElement {
  const levels = Object.entries(knownStates(props.trans));
  const [level, words] = levels.find(([, words]) => props.state in words) ?? ['none', {}];
  const text = props.text ?? words[props.state] ?? props.state;
  return (
    <span className="jp-DbxAgents-state" data-level={level}>
      {[text, props.age].filter(Boolean).join(' · ')}
    </span>
  );
}

/** A button that looks like JupyterLab's. */
export function Button(props: {
  label: string;
  name?: string;
  disabled?: boolean;
  /** Takes no clicks for a moment, and keeps the focus. */
  isBusy?: boolean;
  onClick: () => void;
}): React.ReactElement {
  return (
    <button
      type="button"
      className="jp-mod-styled"
      aria-label={props.name}
      title={props.name}
      disabled={props.disabled}
      aria-disabled={props.isBusy || undefined}
      onClick={props.isBusy ? undefined : props.onClick}
    >
      {props.label}
    </button>
  );
}

/** A button whose action says for some seconds what it has done, to screen readers, too. */
export function ActingButton(props: {
  label: string;
  name?: string;
  act: () => Promise<string>;
}): React.ReactElement {
  const [said, setSaid] = React.useState('');
  const [isActing, setIsActing] = React.useState(false);
  React.useEffect(() => {
    const timer = said ? window.setTimeout(() => setSaid(''), SAID_MILLISECONDS) : 0;
    return () => window.clearTimeout(timer);
  }, [said]);
  const act = async (): Promise<void> => {
    setSaid('');
    setIsActing(true);
    setSaid(await props.act());
    setIsActing(false);
  };
  return (
    <>
      {/* Before its text, since only changes of what is there are announced. */}
      <span role="status" className="jp-DbxAgents-said">
        {said}
      </span>
      <Button
        label={props.label}
        {...(props.name && { name: props.name })}
        isBusy={isActing}
        onClick={() => void act()}
      />
    </>
  );
}

/** A message with its hint; nothing when there is neither. */
export function Message(props: {
  message: string | undefined;
  hint: string | undefined;
  isBad?: boolean;
}): React.ReactElement | null {
  const text = [props.message, props.hint].filter(Boolean).join(' ');
  return text ? <p className={props.isBad ? 'jp-DbxAgents-bad' : undefined}>{text}</p> : null;
}

/** A small line chart of the latest values. */
export function Chart(props: { values: number[]; label: string }): React.ReactElement {
  const { width, height } = CHART;
  return (
    <svg viewBox={`0 -1 ${width} ${height + 2}`} width={width} height={height} role="img">
      <title>{props.label}</title>
      <polyline points={chartPoints(props.values, width, height)} />
    </svg>
  );
}

/** Return the time, updated each second while the page is visible. */
export function useNow(): number {
  const [now, setNow] = React.useState(Date.now());
  React.useEffect(() => {
    const timer = window.setInterval(
      () => document.hidden || setNow(Date.now()),
      TICK_MILLISECONDS
    );
    return () => window.clearInterval(timer);
  }, []);
  return now;
}

/** Files with a reason each, folded; nothing if there are none. */
export function Remarks(props: {
  title: string;
  remarks: Remark[] | undefined;
}): React.ReactElement | null {
  if (!Array.isArray(props.remarks) || !props.remarks.length) {
    return null;
  }
  return (
    <details>
      <summary>{props.title}</summary>
      <ul>
        {props.remarks.map(({ path, reason }) => (
          <li key={path}>
            <code>{path}</code> {reason}
          </li>
        ))}
      </ul>
    </details>
  );
}
