/**
 * The server's status as this page reads it: types, and what follows from them.
 *
 * The server may be newer or older than the page: only the keys named here are certain to be there,
 * and a state may be one that `rest-api.yml` does not list.
 */

import type * as Rest from '../server/rest_api';

// A rotation takes a moment, and clocks differ.
const OVERDUE_MILLISECONDS = 5000;

/** The foreground program of a terminal whose prompt asks for a token. */
export const LOGIN = 'login';

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
export type McpServer = Sure<Rest.McpServer, 'name' | 'state'>;
/** Databricks' CLI and the skills of all agents. */
export type DatabricksTools = Sure<Rest.DatabricksTools, 'cli'>;
export type Skill = Rest.DatabricksTools['skills'][number];
export type AgentSession = Sure<Rest.AgentSession, 'id' | 'terminal' | 'state' | 'revision'>;
export type Usage = Sure<Rest.Usage, 'agent' | 'model' | 'calls'>;
export type ModelReport = Sure<Rest.ModelReport, 'model' | 'served'>;
export type Project = Sure<Rest.Project, 'name' | 'state'>;
/** A file that was not copied, or not quite as it is in git, and why. */
export type Remark = Rest.Remarks[number];
export type Offer = Sure<Rest.Offer, 'projects'>;
export type Conversation = Sure<Rest.Conversation, 'agent' | 'id'>;
export type Step = Sure<Rest.Step, 'kind' | 'name' | 'state'>;
export type Restored = Sure<Rest.Restored, 'name'>;
export type Restorable = Sure<Rest.Restorable, 'name'>;
export type Forgotten = Sure<Rest.Forgotten, 'name'>;
export type Terminal = Sure<Rest.Status['terminals'][number], 'name'>;

export interface Status
  extends Partial<
    Pick<
      Rest.Status,
      'version' | 'workspace' | 'owner' | 'gateway' | 'stand_ins' | 'sessions' | 'memory'
    >
  > {
  pat?: Pat;
  startup?: Task[];
  agents?: Agent[];
  approvals?: Partial<Rest.CommonApprovals>;
  mcp?: McpServer[];
  databricks?: DatabricksTools;
  attention?: AgentSession[];
  models?: Record<string, ModelReport>;
  usage?: Usage[];
  projects?: Project[];
  terminals?: Terminal[];
  continuity?: Omit<Sure<Rest.Continuity, 'keeps'>, 'steps'> & { steps?: Step[] };
  tracing?: Partial<Rest.Status['tracing']>;
  /** Not in the REST reply: an event brings it while the server stops. */
  server?: { state: string; message?: string };
  /** Not of the server: the titles that programs other than agents have set, by terminal. */
  titles?: Record<string, string>;
  /** Not in the REST reply: what can come back to an empty machine, until the owner declines it. */
  offer?: Offer | null;
}

/** Whether the server has reported that it is stopping. */
export function isStopping(status: Status): boolean {
  return status.server?.state === 'stopping';
}

/** Whether the token can be used now, whatever its state is called. */
export function isUsable(pat: Pat | undefined): boolean {
  return pat !== undefined && typeof pat.expires_at === 'string';
}

/** Whether a token's status is older than the known one: replies and events overtake each other. */
export function isOutdated(received: Pat | undefined, known: Pat | undefined): boolean {
  return (received?.revision ?? 0) < (known?.revision ?? 0);
}

/** Whether a rotation was skipped, as while no session is open. */
export function isOverdue(next_rotation_at: string | null, now: number): boolean {
  return next_rotation_at !== null && now - Date.parse(next_rotation_at) > OVERDUE_MILLISECONDS;
}

/**
 * Whether the server needs a token, though the last one of a sign-in that has ended may still work;
 * one that renews itself by a sign-in is not asked for.
 */
export function isNeeded(status: Status): boolean {
  const { pat, workspace } = status;
  const isComing = pat?.state === 'adopting' || pat?.is_signed_in === true;
  const isWanted = !isUsable(pat) || pat?.state === 'needed';
  return Boolean(workspace && pat) && isWanted && !isComing;
}

/** Whether an agent can be started; one is installed unless the server says otherwise. */
export function isReady(agent: Agent): boolean {
  return agent.enabled !== false && agent.installed !== false;
}

/** Whether an agent is enabled, not installed, and not being installed. */
export function isInstallable(agent: Agent, install: Task | undefined): boolean {
  const isInProgress = install !== undefined && !['failed', 'done'].includes(install.state);
  return agent.enabled !== false && agent.installed === false && !isInProgress;
}

/** Return the mean latencies in seconds of the calls between two readings, by agent and model. */
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

/** Return the projects that were synced last, the latest first. */
export function recentProjects({ projects }: Status, most = 5): Project[] {
  return (projects ?? [])
    .filter(project => project.folder)
    .sort((a, b) => (b.synced_at ?? '').localeCompare(a.synced_at ?? ''))
    .slice(0, most);
}

/**
 * Return since when all commits of a project are safe, null while some are not, and the files that
 * are still to be written, null if there are none.
 */
export function progressOf({ history, done, count }: Project): {
  safeAt: Date | null;
  files: [number, number] | null;
} {
  const at = Date.parse(history?.message ? '' : (history?.safe_at ?? ''));
  return {
    safeAt: Number.isNaN(at) ? null : new Date(at),
    files: count ? [done ?? 0, count] : null
  };
}

/** Return when the next try of a project is due, null if none is. */
export function nextTryOf({ next_try_at }: Project): Date | null {
  const at = Date.parse(next_try_at ?? '');
  return Number.isNaN(at) ? null : new Date(at);
}

/** Return the key of a usage record: its agent and model. */
export function usageKey({ agent, model }: Usage): string {
  return `${agent} ${model}`;
}

function total({ mean_seconds, calls }: Usage): number {
  return (mean_seconds ?? 0) * calls;
}

/** Return an agent's title, or its name if the status does not list it. */
export function titleOf({ agents }: Status, name: string): string {
  return agents?.find(agent => agent.name === name)?.title ?? name;
}

/** Return the foreground program of a terminal; '' if it is not known. */
export function programIn({ terminals }: Status, name: string): string {
  return terminals?.find(one => one.name === name)?.foreground ?? '';
}

/** Return the problems with an agent's models, those of its side jobs included. */
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

// What a part, or a list's item, must have for the rest of the page to read it.
const PARTS: Record<string, Shape> = {
  pat: hasTexts('state'),
  gateway: hasTexts('kind'),
  approvals: hasTexts('holds'),
  server: hasTexts('state'),
  models: hasTexts(),
  databricks: value => hasTexts()(value) && hasTexts('version')((value as DatabricksTools).cli),
  sessions: hasTexts(),
  tracing: hasTexts(),
  memory: hasTexts()
};
const ITEMS: Record<string, Shape> = {
  startup: hasTexts('name', 'state'),
  agents: hasTexts('name', 'title', 'command'),
  mcp: hasTexts('name', 'state'),
  attention: hasTexts('id', 'state'),
  usage: hasTexts('agent', 'model'),
  projects: hasTexts('name', 'state'),
  terminals: hasTexts('name')
};

/** Return the readable parts of a reply: parts and items of another shape are left out. */
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

/** Return a status with the part of an event replaced; null if the event does not carry it. */
export function withPart(status: Status, event: Record<string, unknown>): Status | null {
  const part = event.part;
  if (typeof part !== 'string' || !(part in event)) {
    return null;
  }
  return { ...status, ...readable({ [part]: event[part] }) };
}
