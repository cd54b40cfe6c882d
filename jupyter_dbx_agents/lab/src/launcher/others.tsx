/** What other extensions, and JupyterLab itself, have in the launcher, in one row. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { type Item, inOrder, labelOf } from './choices';
import { Icon } from './parts';

// These are drawn elsewhere: agents and projects by their sections, the terminal beside the agents.
const OURS = /^dbx-agents:|^terminal:create-new$/;
interface Props {
  items: Item[];
  commands: CommandRegistry;
  /** The folder to work in, as a path of the file browser. */
  cwd: string;
  /** Nearly all of these need the server, and some of them wait for it without end. */
  isOffline: boolean;
  trans: TranslationBundle;
  /** JupyterLab's own texts. */
  lab: TranslationBundle;
  execute: (item: Item) => void;
}

/** The row; nothing if there is nothing in it. */
export function Others(props: Props): React.ReactElement | null {
  const { items, commands, cwd, isOffline, trans, lab, execute } = props;
  const found = inOrder(
    items.filter(item => !OURS.test(item.command)),
    lab
  );
  if (!found.length) {
    return null;
  }
  return (
    <nav aria-label={trans.__('More to open')} className="jp-DbxAgents-others">
      {found.map(item => {
        const args = { ...item.args, cwd };
        const label = commands.label(item.command, args);
        return (
          <button
            type="button"
            key={`${item.category} ${item.command} ${JSON.stringify(item.args)}`}
            title={commands.caption(item.command, args) || label}
            aria-disabled={isOffline || undefined}
            onClick={isOffline ? undefined : () => execute(item)}
          >
            <Icon
              icon={commands.icon(item.command, args)}
              iconClass={commands.iconClass(item.command, args)}
              url={item.kernelIconUrl}
            />
            {labelOf(item, label, found)}
          </button>
        );
      })}
    </nav>
  );
}
