/** Terminals that are started on the server, and their tabs. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Widget } from '@lumino/widgets';
import { request, requestJupyter } from '../server/requests';

/** Start an agent in a folder, with a first prompt or '', and open its tab.  Raises ServerError. */
export async function openAgent(
  app: JupyterFrontEnd,
  agent: string,
  folder: string,
  prompt: string
): Promise<Widget> {
  const path = `agents/${encodeURIComponent(agent)}/start`;
  const { terminal } = await request<{ terminal: string }>(path, 'POST', { folder, prompt });
  return show(app, terminal);
}

/** Start a shell in a folder, and open its tab.  Raises ServerError. */
export async function openShell(app: JupyterFrontEnd, cwd: string): Promise<Widget> {
  const { name } = await requestJupyter<{ name: string }>('api/terminals', 'POST', { cwd });
  return show(app, name);
}

async function show(app: JupyterFrontEnd, name: string): Promise<Widget> {
  // The terminal runs: show it even if the list of terminals cannot be loaded.
  await app.serviceManager.terminals.refreshRunning().catch(() => undefined);
  return app.commands.execute('terminal:open', { name });
}
