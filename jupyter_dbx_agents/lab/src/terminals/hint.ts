/** Three lines for somebody who opens a terminal here for the first time. */

import type { TranslationBundle } from '@jupyterlab/translation';

/** Show the hint over a terminal until it is closed. */
export function showHint(
  host: HTMLElement,
  commands: string[],
  trans: TranslationBundle,
  onClose: () => void
): void {
  const node = document.createElement('div');
  node.className = 'jp-DbxAgents-hint';
  node.setAttribute('role', 'note');
  const agents = trans.__(
    'Agents: %1. Type one, or start it from the launcher (+).',
    commands.join(', ')
  );
  const lines = [
    ...(commands.length ? [agents] : []),
    trans.__('Paste or drop images and files: they are uploaded and their paths typed.'),
    trans.__(
      'What you commit below ~/projects appears in your workspace; the status bar has the rest.'
    )
  ];
  node.append(
    ...lines.map(line => {
      const p = document.createElement('p');
      p.textContent = line;
      return p;
    })
  );
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = trans.__('Got it');
  button.onclick = () => {
    node.remove();
    onClose();
  };
  node.append(button);
  host.append(node);
}
