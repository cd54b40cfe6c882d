/**
 * Open files that nobody has edited follow the disk also after the connection was lost.
 *
 * The extension that reloads them (jupyter-live-content 0.1) hears only of changes while its websocket
 * is up, and waits for ever on one that a network or a sleeping laptop has silenced.  Its connector is
 * found by its name: the token that leads to it cannot be had without depending on it.  This may go
 * when it notices silence and compares after it has reconnected.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { DocumentRegistry, IDocumentWidget } from '@jupyterlab/docregistry';
import type { Contents } from '@jupyterlab/services';
import type { ISignal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';
import { onWake } from '../server/wake';
import type { IStatusStore } from '../status/store';

const CONNECTOR = '@jupyter-ai-contrib/live-content:connector';
// Of the server's watch, which begins with the connection.
const WATCHED_AFTER_MILLISECONDS = 1000;

interface Connector {
  connected: ISignal<unknown, void>;
  _ws?: WebSocket | null;
}

/** Reconnect whenever the page finds its server again, and then reload what has changed meanwhile. */
export function followAfterLoss(app: JupyterFrontEnd, store: IStatusStore | null): void {
  const connector = connectorOf(app);
  if (!connector) {
    return; // not installed, or of another kind: nothing follows the disk
  }
  connector.connected.connect(() => {
    window.setTimeout(() => void reloadChanged(app), WATCHED_AFTER_MILLISECONDS);
  });
  const reconnect = (): void => abandon(connector._ws);
  onWake(reconnect);
  let wasConnected = true;
  store?.changed.connect(() => {
    if (store.isConnected && !wasConnected) {
      reconnect();
    }
    wasConnected = store.isConnected || !store.isKnown;
  });
}

/** Have a socket replaced now: one that is closed waits for the other end, which may be gone. */
function abandon(socket: WebSocket | null | undefined): void {
  const onClose = socket?.onclose;
  if (socket && onClose) {
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null;
    socket.close();
    onClose.call(socket, new CloseEvent('close'));
  }
}

function connectorOf(app: JupyterFrontEnd): Connector | null {
  const registry = Reflect.get(app, 'pluginRegistry');
  const plugins = registry && Reflect.get(registry, '_plugins');
  const plugin = plugins instanceof Map ? plugins.get(CONNECTOR) : null;
  return plugin?.service?.connected ? plugin.service : null;
}

async function reloadChanged({ shell, serviceManager }: JupyterFrontEnd): Promise<void> {
  for (const context of untouched(shell.widgets('main'))) {
    const differs = await hasChanged(context, serviceManager.contents).catch(() => false);
    if (differs && !context.model.dirty && !context.isDisposed) {
      await context.revert().catch(() => undefined); // it may have been deleted meanwhile
    }
  }
}

/** Return the open files of which the page has nothing of its own; notebooks have their outputs. */
function* untouched(widgets: Iterable<Widget>): Iterable<DocumentRegistry.Context> {
  const seen = new Set<DocumentRegistry.Context>();
  for (const widget of widgets) {
    const { context } = widget as unknown as Partial<IDocumentWidget>;
    if (context?.isReady && !seen.has(context) && !context.path.endsWith('.ipynb')) {
      seen.add(context);
      if (!context.model.dirty && !context.model.collaborative) {
        yield context;
      }
    }
  }
}

async function hasChanged(
  { path, contentsModel }: DocumentRegistry.Context,
  contents: Contents.IManager
): Promise<boolean> {
  const { hash, last_modified } = await contents.get(path, { content: false, hash: true });
  return hash && contentsModel?.hash
    ? hash !== contentsModel.hash
    : last_modified !== contentsModel?.last_modified;
}
