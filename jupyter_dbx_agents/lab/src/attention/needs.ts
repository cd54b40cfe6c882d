/** Which agents need their owner, and in what words: pure functions of the status. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { type AgentSession, programIn, type Status } from '../status/model';
import { folderIn, nameIn, sessionIn } from '../status/names';
import { ageText } from '../text';

const NEEDS = new Set(['permission', 'question', 'failed', 'done']);

/** Whether a session needs its owner. */
export function isNeed({ state }: AgentSession): boolean {
  return NEEDS.has(state);
}

/** Return the sessions that need the owner, the most urgent first, as the server sorts them. */
export function needsOf({ attention }: Status): AgentSession[] {
  return (attention ?? []).filter(isNeed);
}

/** Return what runs, first what needs the owner; `terminals` are the names of those that are open. */
export function sessionsOf(status: Status, terminals: Iterable<string>): AgentSession[] {
  const inOrder = [...terminals].sort(new Intl.Collator('en', { numeric: true }).compare);
  const rest = new Set(inOrder);
  const known = (status.attention ?? []).filter(
    ({ terminal }) => terminal === null || rest.delete(terminal)
  );
  return [...known, ...[...rest].map(name => plainSession(status, name))];
}

/** Return what a terminal without an agent shows. */
function plainSession(status: Status, terminal: string): AgentSession {
  const [program, folder] = [programIn(status, terminal), folderIn(status, terminal)];
  return { id: terminal, terminal, state: '', revision: 0, program, folder };
}

/** Return the session after `current` among those that need the owner: the first after the last. */
export function nextNeed(
  needs: AgentSession[],
  current: string | undefined
): AgentSession | undefined {
  const at = needs.findIndex(session => session.terminal === current);
  return needs[(at + 1) % needs.length];
}

/** Return what a session does, as the end of a sentence that begins with its name. */
export function doingOf({ state }: AgentSession, trans: TranslationBundle): string {
  const words: Record<string, string> = {
    permission: trans.__('asks for permission'),
    question: trans.__('asks a question'),
    failed: trans.__('has failed'),
    done: trans.__('is done'),
    working: trans.__('is working'),
    idle: trans.__('is idle')
  };
  return words[state] ?? state;
}

/** Return what a tab says of its terminal when it is pointed at: name, state and age, and folder. */
export function tooltipOf(
  status: Status,
  terminal: string,
  now: number,
  trans: TranslationBundle
): string {
  const session = sessionIn(status, terminal);
  const lines = [nameIn(status, terminal, trans), folderIn(status, terminal)];
  if (session) {
    const age = session.since ? ageText(session.since, now) : '';
    const does = [doingOf(session, trans), age].filter(Boolean).join(' · ');
    lines.splice(1, 0, session.text ? `${does}: ${session.text}` : does);
  }
  return lines.filter(Boolean).join('\n');
}

/** Remembers what the owner has been told, so that each need is told once. */
export class Told {
  private _revisions: Map<string, number> | null = null;

  /**
   * Return the needs that are new and have settled, each once; of the first status none: a page
   * that was reloaded tells nothing again.
   */
  news(status: Status): AgentSession[] {
    const settled = needsOf(status).filter(session => session.settled !== false);
    const known = this._revisions;
    this._revisions = new Map(known ?? []);
    for (const { id, revision } of known ? settled : needsOf(status)) {
      this._revisions.set(id, revision);
    }
    return known ? settled.filter(({ id, revision }) => revision > (known.get(id) ?? 0)) : [];
  }
}
