/**
 * The names of sessions: one for each, the same on its tab, in the panel, in the launcher, in
 * notifications and in JupyterLab's own list.  Pure functions of the status.
 */

import type { TranslationBundle } from '@jupyterlab/translation';
import { type AgentSession, LOGIN, programIn, type Status, titleOf } from './model';

const SHELLS = new Set(['bash', 'sh', 'zsh', 'fish', 'dash']);

/** Return what is known of the program in a terminal. */
export function sessionIn({ attention }: Status, terminal: string): AgentSession | undefined {
  return attention?.find(session => session.terminal === terminal);
}

/** Return the name of the agent in a terminal; '' if another program runs there. */
export function agentIn(status: Status, terminal: string): string {
  const program = programIn(status, terminal);
  return (
    sessionIn(status, terminal)?.agent ||
    (status.agents?.find(({ command }) => command === program)?.name ?? '')
  );
}

/** Return the folder in which a terminal's agent, or other program, was started or is; '' if unknown. */
export function folderIn(status: Status, terminal: string): string {
  const { folder } = status.terminals?.find(({ name }) => name === terminal) ?? {};
  return sessionIn(status, terminal)?.folder || folder || '';
}

/** Whether a program is a shell, which names no terminal. */
export function isShell(program: string): boolean {
  return SHELLS.has(program);
}

/** Return a terminal's name. */
export function nameIn(status: Status, terminal: string, trans: TranslationBundle): string {
  return namesOf(status, trans).get(terminal) ?? trans.__('Terminal %1', terminal);
}

/** Return the name of a session: its terminal's, or that of an agent in the background. */
export function nameOf(status: Status, session: AgentSession, trans: TranslationBundle): string {
  const { agent, program = '', folder = '', terminal } = session;
  if (terminal !== null) {
    return nameIn(status, terminal, trans);
  }
  return withProject(agent ? titleOf(status, agent) : program, folder, 1);
}

/**
 * Return the names of all terminals, by JupyterLab's own.
 *
 * Of equal ones the first is as it is.  The others also say the folder above the project or, in the
 * same one, JupyterLab's own name; what the owner has chosen stays as it is.
 */
function namesOf(status: Status, trans: TranslationBundle): Map<string, string> {
  const folders = new Map<string, string>();
  const names = new Map<string, string>();
  for (const { name: terminal, title } of status.terminals ?? []) {
    const folder = folderIn(status, terminal);
    let name = title || automaticName(status, terminal, trans, 1);
    let parts = 1;
    if (!title && folders.has(name) && folders.get(name) !== folder) {
      parts = 2;
      name = automaticName(status, terminal, trans, parts);
    }
    if (!title && folders.has(name)) {
      name = automaticName(status, terminal, trans, parts, ` (${terminal})`);
    }
    folders.set(name, folder);
    names.set(terminal, name);
  }
  return names;
}

/** Return the name of a terminal that does not know of the others. */
function automaticName(
  status: Status,
  terminal: string,
  trans: TranslationBundle,
  parts: number,
  mark = ''
): string {
  const agent = agentIn(status, terminal);
  return agent
    ? withProject(titleOf(status, agent), folderIn(status, terminal), parts, mark)
    : plainName(status, terminal, trans) + mark;
}

/** Return the name of a terminal without an agent: its program's own title, or the program. */
function plainName(status: Status, terminal: string, trans: TranslationBundle): string {
  const program = programIn(status, terminal);
  if (program === LOGIN) {
    return trans.__('Sign in');
  }
  const plain = trans.__('Terminal %1', terminal);
  const ours = isShell(program) || !program ? plain : `${program} (${terminal})`;
  return status.titles?.[terminal] || ours;
}

/**
 * Return `project · agent`, with so many of the folder's last parts.
 *
 * The mark of one of several is by the project: a tab cuts its end off.
 */
function withProject(agent: string, folder: string, parts: number, mark = ''): string {
  const project = folder.split('/').filter(Boolean).slice(-parts).join('/');
  return project ? `${project}${mark} · ${agent}` : agent + mark;
}
