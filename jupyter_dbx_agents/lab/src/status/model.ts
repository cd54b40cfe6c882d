/**
 * The server's status as this page reads it: types, and what follows from them.
 *
 * The server may be newer or older than the page: only the keys named here are certain to be there,
 * and a state may be one that `rest-api.yml` does not list.
 */

import type * as Rest from '../server/rest_api';

// A rotation takes a moment, and clocks differ.
const OVERDUE_MILLISECONDS = 5000;

/** Any text in place of the listed ones. */
type AnyText<T> = T extends string ? string : T;

/** A schema of which only some keys are certain. */
type Sure<T, K extends keyof T> = { [P in K]: AnyText<T[P]> } & {
  [P in Exclude<keyof T, K>]?: AnyText<T[P]>;
};

export type Pat = Sure<
  Rest.Pat,
  | 'state'
  | 'message'
  | 'hint'
  | 'user'
  | 'expires_at'
  | 'next_rotation_at'
  | 'rotations'
  | 'token_page'
>;
export type Pasted = Rest.Pat['pasted'];
export type Candidate = Pasted['candidates'][number];
export type Task = Sure<Rest.Status['startup'][number], 'name' | 'title' | 'state'>;
export type Agent = Sure<Rest.Agent, 'name' | 'title' | 'command'>;
export type Usage = Sure<Rest.Usage, 'agent' | 'model' | 'calls'>;
export type ModelReport = Sure<Rest.ModelReport, 'model' | 'served'>;
export type Project = Sure<Rest.Project, 'name' | 'state'>;
/** A file that was not copied, or not quite as it is in git, and why. */
export type Remark = Rest.Remarks[number];
export type Restored = Sure<Rest.Restored, 'name'>;
type Terminal = Sure<Rest.Status['terminals'][number], 'name'>;

export interface Status
  extends Partial<
    Pick<Rest.Status, 'version' | 'workspace' | 'owner' | 'gateway' | 'sessions' | 'memory'>
  > {
  pat?: Pat;
  startup?: Task[];
  agents?: Agent[];
  models?: Record<string, ModelReport>;
  usage?: Usage[];
  projects?: Project[];
  terminals?: Terminal[];
  tracing?: Partial<Rest.Status['tracing']>;
  /** Not in the REST reply: an event brings it while the server stops. */
  server?: { state: string; message?: string };
}

/** Whether the server has said that it is stopping. */
export function isStopping(status: Status): boolean {
  return status.server?.state === 'stopping';
}

/** Whether the credential can be used now, whatever its state is called. */
export function isUsable(pat: Pat | undefined): boolean {
  return pat !== undefined && typeof pat.expires_at === 'string';
}

/** Whether what is told of the credential comes late: a reply overtakes events, and events a reply. */
export function isLate(told: Pat | undefined, known: Pat | undefined): boolean {
  return (told?.revision ?? 0) < (known?.revision ?? 0);
}

/** Whether a rotation has not come when it was due: it is skipped while no session is open. */
export function isOverdue(next_rotation_at: string | null, now: number): boolean {
  return next_rotation_at !== null && now - Date.parse(next_rotation_at) > OVERDUE_MILLISECONDS;
}

/** Whether the server waits for somebody to paste a token. */
export function isNeeded(status: Status): boolean {
  const { pat, workspace } = status;
  return Boolean(workspace && pat) && !isUsable(pat) && pat?.state !== 'adopting';
}

/** Whether an agent can be started; a server that does not say so has it. */
export function isReady(agent: Agent): boolean {
  return agent.enabled !== false && agent.installed !== false;
}

/** Whether an agent could be installed by a click: it is on, not there, and not on its way. */
export function isInstallable(agent: Agent, install: Task | undefined): boolean {
  const isOnItsWay = install !== undefined && !['failed', 'done'].includes(install.state);
  return agent.enabled !== false && agent.installed === false && !isOnItsWay;
}

/** Return the latencies of the calls between two looks at the usage, by agent and model. */
export function latencies(before: Usage[], after: Usage[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const now of after) {
    const key = usageKey(now);
    const old = before.find(one => usageKey(one) === key);
    const calls = now.calls - (old?.calls ?? 0);
    const seconds = total(now) - (old ? total(old) : 0);
    if (calls > 0) {
      found[key] = Math.max(0, seconds / calls);
    }
  }
  return found;
}

/** Return the few projects that were synced last, the latest first. */
export function recentProjects({ projects }: Status, most = 5): Project[] {
  return (projects ?? [])
    .filter(project => project.folder)
    .sort((a, b) => (b.synced_at ?? '').localeCompare(a.synced_at ?? ''))
    .slice(0, most);
}

/** Return what tells one line of the usage from another. */
export function usageKey({ agent, model }: Usage): string {
  return `${agent} ${model}`;
}

function total({ mean_seconds, calls }: Usage): number {
  return (mean_seconds ?? 0) * calls;
}

/** Return an agent's name for people; its own one if the status does not know it. */
export function titleOf({ agents }: Status, name: string): string {
  return agents?.find(agent => agent.name === name)?.title ?? name;
}

/** Return the program that has a terminal, as last told; '' if that is not known. */
export function programIn({ terminals }: Status, name: string): string {
  return terminals?.find(one => one.name === name)?.foreground ?? '';
}

/** Return what is wrong with the models of an agent, those of its side jobs included. */
export function modelProblems({ models }: Status, agent: string): string[] {
  return Object.entries(models ?? {})
    .filter(([key]) => key === agent || key.startsWith(`${agent}/`))
    .flatMap(([, report]) => report.problem || []);
}

/** Return the start-up task that installs an agent, if there is one. */
export function installOf(status: Status, agent: string): Task | undefined {
  return status.startup?.find(task => task.name === `install-${agent}`);
}

type Shape = (value: unknown) => boolean;

const hasTexts =
  (...keys: string[]): Shape =>
  value =>
    typeof value === 'object' &&
    value !== null &&
    keys.every(key => typeof (value as Record<string, unknown>)[key] === 'string');

// What must be there for the rest of this page to make something of a part, or of a list's item.
const PARTS: Record<string, Shape> = {
  pat: hasTexts('state'),
  gateway: hasTexts('kind'),
  server: hasTexts('state'),
  models: hasTexts(),
  sessions: hasTexts(),
  tracing: hasTexts(),
  memory: hasTexts()
};
const ITEMS: Record<string, Shape> = {
  startup: hasTexts('name', 'state'),
  agents: hasTexts('name', 'title', 'command'),
  usage: hasTexts('agent', 'model'),
  projects: hasTexts('name', 'state'),
  terminals: hasTexts('name')
};

/** Return what can be read of a reply: what has another shape is as if it had not been told. */
export function readable(reply: object): Status {
  const parts = Object.entries(reply).flatMap(([part, value]: [string, unknown]) => {
    const item = ITEMS[part];
    if (item) {
      return Array.isArray(value) ? [[part, value.filter(item)]] : [];
    }
    return PARTS[part]?.(value) === false ? [] : [[part, value]];
  });
  return Object.fromEntries(parts);
}

/** Return a status with one part replaced, as an event tells it; null if it does not carry it. */
export function withPart(status: Status, event: Record<string, unknown>): Status | null {
  const part = event.part;
  if (typeof part !== 'string' || !(part in event)) {
    return null;
  }
  return { ...status, ...readable({ [part]: event[part] }) };
}
